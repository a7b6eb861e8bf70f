"""Listening: which port, a sentence where it can't be had, and how clients spell the address."""

from __future__ import annotations

import errno
import socket
import time
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import HostError, NotConfigured

BACKLOG = 2048
"""Connections that may wait to be accepted: they do while the service starts."""

PORT_RELEASE_TIMEOUT = 5.0
"""Seconds to wait for the port of the last start: the processes of a service that was killed need a moment to go."""


def listen(host: str, port: int, *, previous_port: int | None = None) -> socket.socket:
    """
    Listen at *port* of *host*; with 0, at the port of the *previous_port* start if it is free and else at any that is.

    Whoever connects waits until the socket is served.

    :raises HostError: the port is taken, or not for us.
    :raises NotConfigured: the host is none of this machine's.
    """
    if port == 0 and previous_port is not None:
        try:
            return _create_listener(host, previous_port)
        except HostError:
            return _create_listener(host, 0)
    return _create_listener(host, port)


def find_free_port(host: str, *, previous_port: int | None = None) -> int:
    """
    Find a port for somebody else to listen at: that of the *previous_port* start, if it becomes free soon, else any.

    Another program may take it before they do; they will notice.
    """
    until = time.monotonic() + PORT_RELEASE_TIMEOUT
    while previous_port is not None and time.monotonic() < until:
        if _is_free(host, previous_port):
            return previous_port
        time.sleep(0.05)
    with _create_listener(host, 0) as found:
        return socket_port(found)


def socket_port(sock: socket.socket) -> int:
    """Tell the port a socket listens at."""
    port: int = sock.getsockname()[1]
    return port


def url_port(url: str | None) -> int | None:
    """Tell the port in a URL that was written by us; None where there is none."""
    return urlsplit(url).port if url else None


def connect_host(host: str) -> str:
    """Tell what clients on this machine call an address to listen at."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is read, not listened at


def web_url(scheme: str, host: str, port: int) -> str:
    """Spell the root of a server."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_free(host: str, port: int) -> bool:
    try:
        _create_listener(host, port).close()
    except HostError:
        return False
    return True


def _create_listener(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise NotConfigured(f"DLAAS_HOST is {host}, which no name server knows: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise NotConfigured(f"DLAAS_HOST is {host}, which is no address of this machine") from error
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"can't be used ({error.strerror})"
        raise HostError(f"Port {port} of {host} {reason}; set DLAAS_PORT (--port) to a free one") from error
