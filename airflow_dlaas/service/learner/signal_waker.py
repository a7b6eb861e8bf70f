"""Wakes the learner's main thread: after a signal, the end of a child process, or the end of a task in a thread."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from airflow_dlaas._util.threads import start_in_thread

T = TypeVar("T")


class Canceled(Exception):
    """The learner received a request to stop."""


class SignalWaker:
    """
    The learner's main thread waits on this object only.

    Signals arrive as bytes in a pipe, so none is lost between a check and a wait, and no handler holds a lock.
    Create one, in the main thread. It handles SIGTERM, SIGINT and SIGCHLD, and unblocks SIGTERM, which the runner
    blocks until the learner can handle it.
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
        """Wait for the next event, at most *seconds*; None waits without a limit."""
        select.select([self._read_fd], [], [], seconds)
        try:
            while os.read(self._read_fd, 4096):
                pass
        except BlockingIOError:
            return

    def wake(self) -> None:
        """Wake the waiting thread. Callable from any thread."""
        try:
            os.write(self._write_fd, b"\0")
        except BlockingIOError:
            return  # the pipe is full, so the waiting thread is awake

    def run_in_thread(self, work: Callable[[], T], *, cancellable: bool = True) -> T:
        """
        Run *work* in a thread and return its result.

        :param cancellable: False: wait for the result also after a request to stop.
        :raises Canceled: a request to stop came first. The thread runs on until *work* or the process ends.
        """
        return self.wait_for(self.start(work), cancellable=cancellable)

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Start *work* in a thread; its end wakes the waiting thread."""
        future = start_in_thread(work, name="stage")
        future.add_done_callback(lambda _: self.wake())
        return future

    def wait_for(self, future: Future[T], *, beside: Future[Any] | None = None, cancellable: bool = True) -> T:
        """
        Wait for *future*, one of `start`, and return its result.

        :param beside: other work that runs at the same time; if that fails first, its error is raised.
        :raises Canceled: a request to stop came first, as in `run_in_thread`.
        """
        while not future.done():
            if cancellable and self.canceled:
                raise Canceled
            if beside is not None and beside.done() and (error := beside.exception()) is not None:
                raise error
            self.wait(None)
        return future.result()
