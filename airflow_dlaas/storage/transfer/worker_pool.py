"""Doing many things at a time: a crew of threads, as many as are worth it, and one count of what they have done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.transfer.concurrency import Pace

Job = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is; what turned out to be unchanged counts as done."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


Watch = Callable[[Progress], None]
"""Told of every step, from any of the threads, one call at a time: keep it short. Its errors end the transfer."""


class Over(StoreError):
    """Somebody else has failed, or pressed Ctrl-C: not worth telling."""


class Tally:
    """Counts for all threads, tells, and stops whoever counts once all is over."""

    def __init__(self, bytes_total: int, files_total: int, watch: Watch | None) -> None:
        self.over = False
        """Set when what is under way has to stop at the next piece."""
        self._bytes = self._files = 0
        self._totals = bytes_total, files_total
        self._watch = watch
        self._lock = threading.Lock()

    def advance(self, count: int, files: int = 0) -> None:
        """
        Count bytes and files that are done.

        :raises Over: there is no use in going on.
        """
        if self.over:
            if count < 0:
                return
            raise Over
        with self._lock:
            self._bytes += count
            self._files += files
            if self._watch is not None:
                self._watch(Progress(self._bytes, self._totals[0], self._files, self._totals[1]))

    @property
    def work(self) -> float:
        """What has been done, in bytes; a file counts for some even if it is empty."""
        return self._bytes + 64 * 1024 * self._files


class Crew:
    """
    Does jobs in the order they are given, several at a time. The first failure ends the whole.

    A job may give more jobs to do; those come before what else waits, so that a large file is finished before the
    next one is begun.

    :param threads: how many at a time; None starts with some and takes on more while that makes it quicker.
    """

    def __init__(self, tally: Tally, threads: int | None) -> None:
        self._tally = tally
        self._pace = Pace(threads)
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._busy = 0
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def add(self, jobs: Iterable[Job]) -> None:
        """Give it *jobs* to do before all others, in their order."""
        with self._change:
            self._waiting.extendleft(reversed(list(jobs)))
            self._change.notify_all()

    def run(self) -> None:
        """Do all there is to do; returns when it is done, or raises the first failure once nobody is at work."""
        try:
            with self._change:
                while not self._finished():
                    self._hire()
                    self._change.wait(self._pace.look_again)
                    self._pace.note(time.monotonic(), self._tally.work)
        except BaseException:  # Ctrl-C
            self._tally.over = True
            raise
        finally:
            with self._change:
                self._waiting.clear()
                self._change.notify_all()
            while self._threads:
                self._threads.pop().join()
        if self._failure is not None:
            raise self._failure

    def _finished(self) -> bool:
        return self._failure is not None or not (self._waiting or self._busy)

    def _hire(self) -> None:
        for number in range(len(self._threads), min(self._pace.threads, self._busy + len(self._waiting))):
            thread = threading.Thread(target=self._work, args=[number], name=f"transfer-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _next(self, number: int) -> Job | None:
        """The next job; None when there will be none for this thread."""
        with self._change:
            while not self._waiting and self._busy and number < self._pace.threads:
                self._change.wait()
            if not self._waiting or number >= self._pace.threads:
                return None
            self._busy += 1
            return self._waiting.popleft()

    def _work(self, number: int) -> None:
        while job := self._next(number):
            try:
                if self._tally.over:
                    raise Over
                job()
            except BaseException as error:  # noqa: BLE001, PERF203  (carried to whoever waits in `run`)
                self._tally.over = True
                with self._change:
                    if self._failure is None or isinstance(self._failure, Over):
                        self._failure = error
            finally:
                with self._change:
                    self._busy -= 1
                    if not self._waiting or self._failure is not None:
                        self._change.notify_all()
