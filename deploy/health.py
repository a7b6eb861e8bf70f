"""Health check of the service on this machine: exit code 0 if GET /health answers with 200, 1 if not."""

from __future__ import annotations

import os
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

TIMEOUT = 4.0
"""Seconds to wait for the response; less than the timeout of the engine that runs this."""


def main() -> int:
    """Request /health, and print the response or the cause of a failure."""
    port = int(os.environ.get("DLAAS_PORT") or 8480)
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    if os.environ.get("DLAAS_TLS_CERTIFICATE"):
        # The certificate has the public name of the service, not that of the loopback, so it is not verified here.
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        sys.stdout.write(f"{response.status} {response.read().decode(errors='replace')}\n")
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"GET /health on port {port} failed: {error}\n")
        return 1
    finally:
        connection.close()
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    raise SystemExit(main())
