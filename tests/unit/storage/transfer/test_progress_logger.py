"""Tests of the progress of a transfer in a log."""

from __future__ import annotations

import logging

import pytest

from airflow_dlaas.storage.transfer.progress_logger import ProgressLogger, format_bytes
from airflow_dlaas.storage.transfer.worker_pool import Progress


class Clock:
    """A clock whose time a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_logger_logs_every_few_seconds_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    log_progress = ProgressLogger("Uploaded", logging.getLogger(__name__), clock=clock)
    for clock.now, done in ((1.0, 1), (4.9, 2), (5.0, 3), (6.0, 4), (7.0, 10)):
        log_progress(Progress(bytes_done=done * 1024, bytes_total=10 * 1024, files_done=done, files_total=10))
    assert caplog.messages == [
        "Uploaded 3.0 KiB of 10.0 KiB, 3 of 10 files, 614 B/s, 12 s left",
        "Uploaded 10.0 KiB of 10.0 KiB, 10 of 10 files, 1.4 KiB/s",
    ]


@pytest.mark.parametrize(
    ("count", "formatted"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 1024**3, "5.0 GiB")]
)
def test_format_bytes_uses_a_suitable_unit(count: int, formatted: str) -> None:
    assert format_bytes(count) == formatted
