"""Listening sockets: the choice of the port, errors that name the setting, and the URL for clients."""

from __future__ import annotations

import errno
import socket
import time
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import HostError, NotConfigured

BACKLOG = 2048
"""Connections that may wait to be accepted. They wait while the service starts."""

PORT_RELEASE_TIMEOUT = 5.0
"""
Seconds to wait for the port of the previous start: the processes of a service that was killed need a moment to end.
"""


def listen(host: str, port: int, *, previous_port: int | None = None) -> socket.socket:
    """
    Return a socket that listens at *port* of *host*.

    Clients can connect at once; they wait for a response until a server accepts connections from the socket.

    :param port: 0 means *previous_port* if it is free, else any free port.
    :param previous_port: the port of the previous start.
    :raises HostError: the port is in use, or this process has no right to it.
    :raises NotConfigured: *host* is no address of this machine.
    """
    if port == 0 and previous_port is not None:
        try:
            return _create_listener(host, previous_port)
        except HostError:
            return _create_listener(host, 0)
    return _create_listener(host, port)


def find_free_port(host: str, *, previous_port: int | None = None) -> int:
    """
    Find a free port for another program: *previous_port* if it becomes free within `PORT_RELEASE_TIMEOUT`, else any.

    The port is not reserved: if a third program takes it first, the other program cannot listen at it.
    """
    until = time.monotonic() + PORT_RELEASE_TIMEOUT
    while previous_port is not None and time.monotonic() < until:
        if _is_free(host, previous_port):
            return previous_port
        time.sleep(0.05)
    with _create_listener(host, 0) as found:
        return socket_port(found)


def socket_port(sock: socket.socket) -> int:
    """Return the port at which *sock* listens."""
    port: int = sock.getsockname()[1]
    return port


def url_port(url: str | None) -> int | None:
    """Return the port in *url*, which the service has written; None without a URL or a port."""
    return urlsplit(url).port if url else None


def connect_host(host: str) -> str:
    """Return the host by which clients on this machine reach a server that listens at *host*."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened at


def web_url(scheme: str, host: str, port: int) -> str:
    """Return the root URL of a server; an IPv6 address is put in brackets."""
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
        raise NotConfigured(f"DLAAS_HOST is {host}, which cannot be resolved: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            raise NotConfigured(f"DLAAS_HOST is {host}, which is no address of this machine") from error
        reason = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise HostError(f"Port {port} of {host} {reason}; set DLAAS_PORT (--port) to a free one") from error
