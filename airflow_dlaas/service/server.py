"""Answering requests: how much one may send before anybody looks at it, and over what."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from airflow_dlaas.errors import HostError
from airflow_dlaas.service.tls import Tls

GOODBYE = 3
"""Seconds that answers under way (long polls, monitors) are given when the service stops."""

HEAD_LIMIT = 64 * 1024
"""Bytes of a request's line and headers together."""

FRAME_LIMIT = 64 * 1024
"""Bytes of a WebSocket message: nothing that a client of the monitor says is read."""


@contextlib.contextmanager
def serving(api: FastAPI, door: socket.socket, tls: Tls | None) -> Iterator[threading.Thread]:
    """Answer requests at *door* in a thread of its own; with *tls*, none in the clear."""
    server = uvicorn.Server(
        uvicorn.Config(
            api,
            log_config=None,
            log_level=logging.WARNING,
            access_log=False,
            server_header=False,
            http="h11",  # which keeps to the limit; httptools, which uvicorn prefers where it is there, knows none
            h11_max_incomplete_event_size=HEAD_LIMIT,
            ws="websockets-sansio",
            ws_max_size=FRAME_LIMIT,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            timeout_graceful_shutdown=GOODBYE,
        )
    )
    thread = threading.Thread(target=server.run, args=([door],), name="api")
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
