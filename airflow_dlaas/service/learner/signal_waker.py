"""What wakes the learner: a signal to stop, the end of a child, the end of a piece of work."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Canceled(Exception):
    """The learner was asked to stop."""


class SignalWaker:
    """
    The one thing the learner's main thread waits for.

    Signals arrive as bytes in a pipe, so none is lost between a look and a wait, and no lock is held by a handler.
    Make it in the main thread, once: it takes SIGTERM, SIGINT and SIGCHLD, and unblocks SIGTERM, which the
    runner keeps blocked until somebody here can hear it.
    """

    def __init__(self) -> None:
        self.canceled = False
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_cancel_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})

    def _on_cancel_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.canceled = True

    def wait(self, seconds: float | None) -> None:
        """Wait until something happened, at most *seconds*; None waits without end."""
        select.select([self._read_fd], [], [], seconds)
        try:
            while os.read(self._read_fd, 4096):
                pass
        except BlockingIOError:
            return

    def wake(self) -> None:
        """Say from any thread that something happened."""
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # So much has happened already that the pipe is full: nobody sleeps.

    def run_in_thread(self, work: Callable[[], T], *, cancellable: bool = True) -> T:
        """
        Do *work* in a thread and give its result.

        :raises Canceled: the learner was asked to stop meanwhile. The thread is left behind, and ends with the
            process at the latest. Not with *cancellable* off.
        """
        future: Future[T] = Future()

        def body() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001  # carried over to whoever waits
                future.set_exception(error)
            self.wake()

        Thread(target=body, daemon=True).start()
        while not future.done():
            if cancellable and self.canceled:
                raise Canceled
            self.wait(None)
        return future.result()
