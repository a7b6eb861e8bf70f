"""The thread that sends one checkpoint at a time, and tries again later after a failure."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from contextlib import suppress

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.checkpoints.content_upload import SendingStopped
from airflow_dlaas.service.checkpoints.staging import StagedFile, StagingFolder

RETRY = RetryPolicy(attempts=None, first_pause=5.0, max_pause=300.0, jitter=0)
"""When a checkpoint is sent again after a failure."""

STOP_TIMEOUT = 5.0
"""Seconds for the thread to end; a store that does not respond must not hold up the end of the command."""

LOW_PRIORITY = 10
"""The nice value: beside a command that uses all CPUs, a tenth of one is left for checkpoints. With the lowest
priority it would be a hundredth, and a large checkpoint would take hours."""

StartThread = Callable[[Callable[[], None]], Future[None]]
"""Starts a function in a thread."""


class SendingThread:
    """
    Runs one job at a time.

    :param on_failure: receives the reason of a failure, once until a job succeeds again.
    """

    def __init__(
        self,
        staging: StagingFolder,
        start: StartThread,
        clock: Callable[[], float],
        on_failure: Callable[[str], object],
    ) -> None:
        self._staging = staging
        self._start_thread = start
        self._clock = clock
        self._on_failure = on_failure
        self._future: Future[None] | None = None
        self._staged: tuple[StagedFile, ...] = ()
        self._failures = 0
        self._next_attempt_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether a job has not ended."""
        return self._future is not None and not self._future.done()

    def is_ready(self) -> bool:
        """Return whether the next job can start: none is running, and the pause after a failure is over."""
        if self.is_running:
            return False
        self._collect()
        return self._clock() >= self._next_attempt_at

    def start(self, job: Callable[[], object], staged: Iterable[StagedFile] = ()) -> None:
        """Run *job* in the thread; *staged* are removed when it has ended."""
        self._staged = tuple(staged)

        def run() -> None:
            lower_priority()
            job()

        self._future = self._start_thread(run)

    def join(self) -> None:
        """Wait for the end of a job that was stopped, for `STOP_TIMEOUT`."""
        if self._future is not None:
            wait([self._future], STOP_TIMEOUT)
            if self._future.done():
                self._collect()

    def _collect(self) -> None:
        if self._future is None:
            return
        future, self._future = self._future, None
        self._staging.remove(self._staged)
        try:
            future.result()
        except SendingStopped:
            return
        except (DlaasError, OSError) as error:
            self._failures += 1
            self._next_attempt_at = self._clock() + RETRY.pause(self._failures)
            if self._failures == 1:
                self._on_failure(str(error))
        else:
            self._failures, self._next_attempt_at = 0, 0.0


def lower_priority() -> None:
    """Give the calling thread, and the threads that it starts, a low priority: the CPU is the command's."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOW_PRIORITY)
