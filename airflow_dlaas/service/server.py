"""Answering requests: how much one may send before anybody looks at it, and over what."""

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
"""Seconds that answers under way (long polls, monitors) are given when the service stops."""

MAX_HEADER_BYTES = 64 * 1024
"""Bytes of a request's line and headers together."""

MAX_MESSAGE_BYTES = 64 * 1024
"""Bytes of a WebSocket message: nothing that a client of the monitor says is read."""

PING_INTERVAL = 20.0
"""Seconds between two pings of a WebSocket, and seconds in which each must be answered: else its client is gone."""

UNREAD_TIMEOUT = 90.0
"""Seconds after which a connection is dropped whose client takes none of what was sent to it."""

RESERVED_FILES = 1024
"""Files and sockets that the process may have open besides monitors."""


@contextlib.contextmanager
def serve_in_thread(
    api: FastAPI, listener: socket.socket, tls: TlsConfig | None, *, max_websockets: int = 0
) -> Iterator[threading.Thread]:
    """
    Answer requests at *listener* in a thread of its own; with *tls*, none in the clear.

    :param max_websockets: how many WebSockets may be open at a time, for each of which the process needs a file descriptor.
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
            http="h11",  # which keeps to the limit; httptools, which uvicorn prefers where it is there, knows none
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_INTERVAL,
            ws_ping_timeout=PING_INTERVAL,
            ws_per_message_deflate=False,  # its buffers are most of a connection's memory
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
                raise HostError("The API could not start; the reason is in the log")
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def _raise_file_limit(wanted: int) -> None:
    """Raise the limit of open files to *wanted*, or as far as the system lets it; never lower it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        logger.warning(
            "The system allows this process %d open files; DLAAS_MONITOR_LIMIT needs %d. Raise the hard limit "
            "(LimitNOFILE of systemd, ulimit -Hn), or lower DLAAS_MONITOR_LIMIT by %d",
            allowed,
            wanted,
            wanted - allowed,
        )
