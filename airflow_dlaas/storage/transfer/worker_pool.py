"""Doing many things at a time: a crew of threads, as many as are worth it, and one count of what they have done."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.transfer.concurrency import AdaptiveConcurrency

WorkItem = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is; what turned out to be unchanged counts as done."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


ProgressCallback = Callable[[Progress], None]
"""Told of every step, from any of the threads, one call at a time: keep it short. Its errors end the transfer."""


class TransferAborted(StoreError):
    """Somebody else has failed, or pressed Ctrl-C: not worth telling."""


class ProgressTracker:
    """Counts for all threads, tells, and stops whoever counts once all is over."""

    def __init__(self, bytes_total: int, files_total: int, callback: ProgressCallback | None) -> None:
        self.is_aborted = False
        """Set when what is under way has to stop at the next piece."""
        self._bytes_done = self._files_done = 0
        self._totals = bytes_total, files_total
        self._callback = callback
        self._lock = threading.Lock()

    def advance(self, byte_count: int, file_count: int = 0) -> None:
        """
        Count bytes and files that are done.

        :raises Over: there is no use in going on.
        """
        if self.is_aborted:
            if byte_count < 0:
                return
            raise TransferAborted
        with self._lock:
            self._bytes_done += byte_count
            self._files_done += file_count
            if self._callback is not None:
                self._callback(Progress(self._bytes_done, self._totals[0], self._files_done, self._totals[1]))

    @property
    def work_done(self) -> float:
        """What has been done, in bytes; a file counts for some even if it is empty."""
        return self._bytes_done + 64 * 1024 * self._files_done


class WorkerPool:
    """
    Does jobs in the order they are given, several at a time. The first failure ends the whole.

    A job may give more jobs to do; those come before what else waits, so that a large file is finished before the
    next one is begun.

    :param threads: how many at a time; None starts with some and takes on more while that makes it quicker.
    """

    def __init__(self, tracker: ProgressTracker, threads: int | None) -> None:
        self._tracker = tracker
        self._concurrency = AdaptiveConcurrency(threads)
        self._queue: deque[WorkItem] = deque()
        self._condition = threading.Condition()
        self._active_count = 0
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def add(self, items: Iterable[WorkItem]) -> None:
        """Give it *items* to do before all others, in their order."""
        with self._condition:
            self._queue.extendleft(reversed(list(items)))
            self._condition.notify_all()

    def run(self) -> None:
        """Do all there is to do; returns when it is done, or raises the first failure once nobody is at work."""
        try:
            with self._condition:
                while not self._is_finished():
                    self._spawn_workers()
                    self._condition.wait(self._concurrency.update_interval)
                    self._concurrency.update(time.monotonic(), self._tracker.work_done)
        except BaseException:  # Ctrl-C
            self._tracker.is_aborted = True
            raise
        finally:
            with self._condition:
                self._queue.clear()
                self._condition.notify_all()
            while self._threads:
                self._threads.pop().join()
        if self._failure is not None:
            raise self._failure

    def _is_finished(self) -> bool:
        return self._failure is not None or not (self._queue or self._active_count)

    def _spawn_workers(self) -> None:
        for number in range(len(self._threads), min(self._concurrency.threads, self._active_count + len(self._queue))):
            thread = threading.Thread(target=self._run_worker, args=[number], name=f"transfer-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _next_item(self, worker_index: int) -> WorkItem | None:
        """The next job; None when there will be none for this thread."""
        with self._condition:
            while not self._queue and self._active_count and worker_index < self._concurrency.threads:
                self._condition.wait()
            if not self._queue or worker_index >= self._concurrency.threads:
                return None
            self._active_count += 1
            return self._queue.popleft()

    def _run_worker(self, worker_index: int) -> None:
        while job := self._next_item(worker_index):
            try:
                if self._tracker.is_aborted:
                    raise TransferAborted
                job()
            except BaseException as error:  # noqa: BLE001, PERF203  (carried to whoever waits in `run`)
                self._tracker.is_aborted = True
                with self._condition:
                    if self._failure is None or isinstance(self._failure, TransferAborted):
                        self._failure = error
            finally:
                with self._condition:
                    self._active_count -= 1
                    if not self._queue or self._failure is not None:
                        self._condition.notify_all()
