"""The HTTP server: uvicorn in a thread, with limits on what a client may send before the API checks it."""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.config.tls import TlsConfig

logger = logging.getLogger(__name__)

SHUTDOWN_TIMEOUT = 3
"""Seconds that open responses (long polls, log streams) have to finish when the service stops."""

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of the request line and the headers together."""

MAX_MESSAGE_BYTES = 64 * 1024
"""Bytes of a WebSocket message from a client. The service ignores the content of all of them."""

PING_INTERVAL = 20.0
"""Seconds between two pings of a WebSocket, and the seconds within which the client must answer each of them. A client
that does not is disconnected."""

UNREAD_TIMEOUT = 90.0
"""Seconds after which a connection is closed if its client acknowledges none of the bytes sent to it."""

RESERVED_FILES = 1024
"""Files and sockets that the process may have open besides log streams."""


@contextlib.contextmanager
def serve_in_thread(
    api: FastAPI, listener: socket.socket, tls: TlsConfig | None, *, max_websockets: int = 0
) -> Iterator[threading.Thread]:
    """
    Serve *api* at *listener* in a thread during the block; yield the thread.

    :param tls: the certificate; with it, the server accepts TLS connections only.
    :param max_websockets: WebSockets that may be open at the same time. Each needs a file descriptor.
    :raises HostError: the server ended before it was ready.
    """
    _raise_file_limit(max_websockets + RESERVED_FILES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_TIMEOUT * 1000))
    server = uvicorn.Server(
        uvicorn.Config(
            api,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            http="h11",  # has the limit below; httptools, which uvicorn prefers if it is installed, has none
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_INTERVAL,
            ws_ping_timeout=PING_INTERVAL,
            ws_per_message_deflate=False,  # compression buffers would be most of a connection's memory
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],), name="api")
    thread.start()
    try:
        while not server.started:
            thread.join(0.005)
            if not thread.is_alive():
                raise HostError("The API server ended while it was starting; the log has the reason")
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def _raise_file_limit(wanted: int) -> None:
    """Raise this process's limit of open files to *wanted*, or to the hard limit; never lower it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        logger.warning(
            "The system permits this process %d open files, and DLAAS_MONITOR_LIMIT needs %d. Raise the hard limit "
            "(LimitNOFILE of systemd, ulimit -Hn), or lower DLAAS_MONITOR_LIMIT by %d",
            allowed,
            wanted,
            wanted - allowed,
        )
