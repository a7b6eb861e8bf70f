"""
A pool of worker threads, as many as increase the speed, and one count of their progress.

`concurrent.futures.ThreadPoolExecutor` does not serve: its number of threads is fixed, its queue has one order, and it
does not stop running work when one work item fails.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.transfer.concurrency import AdaptiveConcurrency

logger = logging.getLogger(__name__)

WorkItem = Callable[[], object]

FILE_WORK = 64 * 1024
"""Bytes that a file counts for in addition to its content, when the speed is measured: an empty file is work too."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a transfer; files that did not change count as done."""

    bytes_done: int
    bytes_total: int
    files_done: int
    files_total: int


ProgressCallback = Callable[[Progress], None]
"""Called after every step, from any of the threads, one call at a time: keep it short. Its errors end the transfer."""


class TransferAborted(StoreError):
    """Ends a work item after another one has failed, whose error is reported instead, or after Ctrl-C."""


class ProgressTracker:
    """Counts the progress of all threads, reports it, and stops the threads after a failure."""

    def __init__(self, bytes_total: int, files_total: int, callback: ProgressCallback | None) -> None:
        self.is_aborted = False
        """Whether running work has to stop at its next step."""
        self._bytes_done = self._files_done = 0
        self._totals = bytes_total, files_total
        self._callback = callback
        self._lock = threading.Lock()

    def advance(self, byte_count: int, file_count: int = 0) -> None:
        """
        Count bytes and files that are done; a negative *byte_count* takes back the bytes of a failed attempt.

        :raises TransferAborted: the transfer has been aborted; not for a negative *byte_count*.
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
        """Bytes done, plus `FILE_WORK` for each file."""
        return self._bytes_done + FILE_WORK * self._files_done


class WorkerPool:
    """
    Runs work items in the order they were added, several at the same time. The first failure ends all of them.

    A work item may add others; these come before all that wait, so that a large file is complete before the next one
    begins.

    :param tracker: receives the progress of the work items; `run` aborts it after a failure.
    :param threads: the number of worker threads; None begins with some and adds more while that increases the speed.
    """

    def __init__(self, tracker: ProgressTracker, threads: int | None) -> None:
        self.tracker = tracker
        self._concurrency = AdaptiveConcurrency(threads)
        self._queue: deque[WorkItem] = deque()
        self._condition = threading.Condition()
        self._active_count = 0
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None

    def add(self, items: Iterable[WorkItem]) -> None:
        """Put *items* before all others in the queue, in their order."""
        with self._condition:
            self._queue.extendleft(reversed(list(items)))
            self._condition.notify_all()

    def append(self, items: Iterable[WorkItem]) -> None:
        """Put *items* after all others in the queue, in their order."""
        with self._condition:
            self._queue.extend(items)
            self._condition.notify_all()

    def run(self) -> None:
        """Run all work items; return when all are done, or raise the first failure when no thread works any more."""
        try:
            with self._condition:
                while not self._is_finished():
                    self._spawn_workers()
                    self._condition.wait(self._concurrency.update_interval)
                    self._concurrency.update(time.monotonic(), self.tracker.work_done)
        except BaseException:  # Ctrl-C
            self.tracker.is_aborted = True
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
        for index in range(len(self._threads), min(self._concurrency.threads, self._active_count + len(self._queue))):
            thread = threading.Thread(target=self._run_worker, args=[index], name=f"transfer-{index}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _next_item(self, worker_index: int) -> WorkItem | None:
        """Wait for the next work item; None when this thread gets no more."""
        with self._condition:
            while not self._queue and self._active_count and worker_index < self._concurrency.threads:
                self._condition.wait()
            if not self._queue or worker_index >= self._concurrency.threads:
                return None
            self._active_count += 1
            return self._queue.popleft()

    def _run_worker(self, worker_index: int) -> None:
        while item := self._next_item(worker_index):
            try:
                if self.tracker.is_aborted:
                    raise TransferAborted
                item()
            except BaseException as error:  # noqa: BLE001, PERF203  (raised by `run`)
                self.tracker.is_aborted = True
                self._record_failure(error)
            finally:
                with self._condition:
                    self._active_count -= 1
                    if not self._queue or self._failure is not None:
                        self._condition.notify_all()

    def _record_failure(self, error: BaseException) -> None:
        with self._condition:
            if self._failure is None or isinstance(self._failure, TransferAborted):
                self._failure = error
            elif not isinstance(error, TransferAborted):
                logger.debug("Another work item failed after the first failure: %s", error, exc_info=error)
