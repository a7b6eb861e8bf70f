"""When a proxy ends, everything that waits in it ends too."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

STALL = 300.0
"""Seconds that nothing moves when nobody lets it go on: longer than the read timeout of any test, and than any test."""

LOOK = 0.02
"""Seconds between two looks whether the client of a stalled request is still there."""


class Over(Exception):
    """The proxy is closed."""


class Lifetime:
    """
    The open sockets, and the threads that stand still on purpose.

    A socket is shut down from here and closed by the thread that uses it, which has to `forget` it first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._stalled: set[threading.Event] = set()

    @property
    def stalled(self) -> int:
        """How many requests stand still."""
        with self._lock:
            return len(self._stalled)

    def keep(self, one: socket.socket) -> None:
        with self._lock:
            if self._over.is_set():
                one.close()
                raise Over
            self._sockets.add(one)

    def forget(self, one: socket.socket) -> None:
        with self._lock:
            self._sockets.discard(one)

    def stall(self, ended: Callable[[], bool]) -> None:
        """Stand still until `release`, `end` or *ended*."""
        released = threading.Event()
        deadline = time.monotonic() + STALL
        with self._lock:
            self._stalled.add(released)
        try:
            while not released.wait(LOOK) and not self._over.is_set() and time.monotonic() < deadline:
                if ended():
                    raise Over
        finally:
            with self._lock:
                self._stalled.discard(released)
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Sleep, but not past the end."""
        if self._over.wait(seconds):
            raise Over

    def release(self) -> None:
        with self._lock:
            for one in self._stalled:
                one.set()

    def end(self) -> None:
        with self._lock:
            self._over.set()
            for one in self._sockets:
                with contextlib.suppress(OSError):  # the peer may have left already
                    one.shutdown(socket.SHUT_RDWR)
