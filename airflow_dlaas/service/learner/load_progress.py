"""The progress of loading training data, over all sources: counted, with the rate of the last seconds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_dlaas.contract.data_report import LoadProgress
from airflow_dlaas.exceptions import StoreError

if TYPE_CHECKING:
    from airflow_dlaas.storage.transfer.worker_pool import Progress

RATE_WINDOW = 10.0
"""Seconds that the rate is measured over: shorter ones jump with each large file, longer ones hide a store that has
become slow."""

REPORT_INTERVAL = 1.0
"""Seconds between two reports, at least: each is a write to disk."""


class LoadingStopped(StoreError):
    """Loading was ended because the training does not go on: it is canceled, or its environment cannot be made."""


@dataclass(frozen=True, slots=True)
class LoadEvents:
    """What the stages of a job do while its data is loaded. All are called from any thread; keep them short."""

    on_begin: Callable[[], object] = lambda: None
    """Called once for a load, before the first byte, if there is something to load."""
    on_progress: Callable[[LoadProgress], object] = lambda _: None
    """Called with the progress, at most once in `REPORT_INTERVAL`."""
    is_stopped: Callable[[], bool] = lambda: False
    """Whether loading has to end at its next step."""

    def require_going_on(self) -> None:
        """
        Check that loading may go on.

        :raises LoadingStopped: it has to end.
        """
        if self.is_stopped():
            raise LoadingStopped("Loading the data was stopped, because the training does not go on")


class LoadCounter:
    """
    Adds up the progress of the sources of a training, which are loaded one after the other. Thread-safe.

    :param total_files: the files of all sources.
    :param total_bytes: their bytes.
    """

    def __init__(
        self,
        total_files: int,
        total_bytes: int,
        events: LoadEvents,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._totals = total_files, total_bytes
        self._events = events
        self._clock = clock
        self._lock = threading.Lock()
        self._before = 0, 0
        self._samples = deque([(clock(), 0)])
        self._reported_at = clock()

    def source_callback(self) -> Callable[[Progress], None]:
        """
        Return the progress callback for the next source, whose files and bytes are added to those of the ones before.

        It raises `LoadingStopped` when loading has to end.
        """
        with self._lock:
            before = self._before

        def advance(at: Progress) -> None:
            self._events.require_going_on()
            with self._lock:
                files, size = before[0] + at.files_done, before[1] + at.bytes_done
                self._before = max(self._before[0], files), max(self._before[1], size)
                progress = self._measure(files, size)
            if progress is not None:
                self._events.on_progress(progress)

        return advance

    def _measure(self, files: int, size: int) -> LoadProgress | None:
        """Return the progress if a report is due."""
        now = self._clock()
        if now - self._reported_at < REPORT_INTERVAL:
            return None
        self._reported_at = now
        self._samples.append((now, size))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:
            self._samples.popleft()
        begun_at, begun = self._samples[0]
        rate = max(0.0, (size - begun) / (now - begun_at)) if now > begun_at else 0.0
        total_files, total_bytes = self._totals
        return LoadProgress(
            files=files,
            total_files=total_files,
            bytes=size,
            total_bytes=total_bytes,
            bytes_per_second=rate or None,
            seconds_left=(total_bytes - size) / rate if rate else None,
        )


def progress_line(at: LoadProgress) -> str:
    """Return *at* as a line of a log: bytes, files, rate and time left."""
    text = f"{_size(at.bytes)} of {_size(at.total_bytes)}, {at.files:,} of {at.total_files:,} files"
    if at.bytes_per_second:
        text += f", {_size(at.bytes_per_second)}/s"
        if at.seconds_left:
            text += f", {at.seconds_left:.0f} s left"
    return text


def _size(count: float) -> str:
    from airflow_dlaas.storage.transfer.progress_logger import format_bytes

    return format_bytes(count)
