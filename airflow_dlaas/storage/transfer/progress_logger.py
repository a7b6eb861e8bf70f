"""Progress of a transfer in a log: a line every few seconds, and not one for each file."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dlaas._util.retry import Logger
    from airflow_dlaas.storage.transfer.worker_pool import Progress

LOG_INTERVAL = 5.0
"""Seconds between two lines."""


class ProgressLogger:
    """
    The progress callback of a transfer: logs bytes, files, rate and remaining time every few seconds, and at the end.

    :param verb: the beginning of each line, such as "Uploaded".
    :param logger: receives the lines at INFO.
    """

    def __init__(self, verb: str, logger: Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._verb = verb
        self._logger = logger
        self._clock = clock
        self._started_at = self._last_logged_at = clock()

    def __call__(self, progress: Progress) -> None:
        """Log *progress* if the last line is old enough, or if the transfer is complete."""
        now = self._clock()
        is_complete = progress.files_done == progress.files_total and progress.bytes_done >= progress.bytes_total
        if now - self._last_logged_at < LOG_INTERVAL and not is_complete:
            return
        self._last_logged_at = now
        self._logger.log(logging.INFO, "%s %s", self._verb, format_progress(progress, now - self._started_at))


def format_progress(progress: Progress, seconds: float) -> str:
    """Describe *progress* after *seconds*: bytes, files, rate and remaining time."""
    rate = progress.bytes_done / seconds if seconds > 0 else 0.0
    text = (
        f"{format_bytes(progress.bytes_done)} of {format_bytes(progress.bytes_total)}, "
        f"{progress.files_done} of {progress.files_total} files"
    )
    if rate > 0:
        text += f", {format_bytes(rate)}/s"
        if left := progress.bytes_total - progress.bytes_done:
            text += f", {left / rate:.0f} s left"
    return text


def format_bytes(count: float) -> str:
    """Format a number of bytes with a suitable unit."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
