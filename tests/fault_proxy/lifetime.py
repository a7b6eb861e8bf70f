"""The lifetime of a proxy: its end also ends everything that waits in it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

STALL_TIMEOUT = 300.0
"""Seconds after which a stall ends without `release`: longer than any test and any read timeout."""

POLL_INTERVAL = 0.02
"""Seconds between two checks whether the client of a stalled request is still connected."""


class Closed(Exception):
    """The proxy is closed."""


class Lifetime:
    """
    The open sockets, and the stalled threads.

    `end` shuts a socket down; the thread that uses it closes it, and has to `unregister` it first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._stalled: set[threading.Event] = set()

    @property
    def stalled(self) -> int:
        """The number of stalled requests."""
        with self._lock:
            return len(self._stalled)

    def register(self, one: socket.socket) -> None:
        with self._lock:
            if self._closed.is_set():
                one.close()
                raise Closed
            self._sockets.add(one)

    def unregister(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(one)

    def stall(self, disconnected: Callable[[], bool]) -> None:
        """Wait until `release`, `end`, or until *disconnected* returns True."""
        released = threading.Event()
        deadline = time.monotonic() + STALL_TIMEOUT
        with self._lock:
            self._stalled.add(released)
        try:
            while not released.wait(POLL_INTERVAL) and not self._closed.is_set() and time.monotonic() < deadline:
                if disconnected():
                    raise Closed
        finally:
            with self._lock:
                self._stalled.discard(released)
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Sleep, at most until `end`."""
        if self._closed.wait(seconds):
            raise Closed

    def release(self) -> None:
        with self._lock:
            for one in self._stalled:
                one.set()

    def end(self) -> None:
        with self._lock:
            self._closed.set()
            for one in self._sockets:
                with contextlib.suppress(OSError):  # the peer may have disconnected already
                    one.shutdown(socket.SHUT_RDWR)
