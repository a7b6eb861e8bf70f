"""
The secret that the servers of the embedded Swift share.

Swift's account, container and object servers have no authentication: Swift expects them in a private network. Here they
listen on loopback, which every process of the machine can reach. So each request between Swift's servers carries the
secret in a header, and `BackendAuth`, the first filter of each of the three, refuses a request without it.

This module imports the standard library only: it is also loaded where Swift runs in an environment of its own.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any

SECRET_HEADER = "X-Backend-Shared-Secret"  # noqa: S105 - the name of a header
"""Swift's gatekeeper filter removes ``X-Backend-*`` headers from requests of clients to the proxy, and from the
responses."""

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]

_ENVIRON_KEY = "HTTP_" + SECRET_HEADER.upper().replace("-", "_")
_FORBIDDEN_BODY = b"This server answers the object store's own processes only.\n"


class BackendAuth:
    """Answers 403 to a request without the secret, without reading its path or its body."""

    def __init__(self, app: WsgiApp, secret: str) -> None:
        """Raise `ValueError` for an empty *secret*, which every request would match."""
        if not secret:
            raise ValueError("the secret of the object store's servers is empty")
        self.app = app
        self._secret = secret.encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        sent = environ.pop(_ENVIRON_KEY, "")
        if not hmac.compare_digest(sent.encode("latin-1"), self._secret):
            start_response(
                "403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", str(len(_FORBIDDEN_BODY)))]
            )
            return [_FORBIDDEN_BODY]
        return self.app(environ, start_response)


def filter_factory(_global_conf: Mapping[str, str], *, secret: str, **_local_conf: str) -> Callable[[WsgiApp], WsgiApp]:
    """Return the filter for its section of the configuration file. PasteDeploy calls this."""

    def wrap(app: WsgiApp) -> WsgiApp:
        return BackendAuth(app, secret)

    return wrap
