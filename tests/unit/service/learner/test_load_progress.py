from __future__ import annotations

import pytest

from airflow_dlaas.contract.data_report import LoadProgress
from airflow_dlaas.service.learner.load_progress import LoadCounter, LoadEvents, LoadingStopped, progress_line
from airflow_dlaas.storage.transfer.worker_pool import Progress


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_adds_up_the_sources_with_rate_and_time_left() -> None:
    seen: list[LoadProgress] = []
    clock = Clock()
    counter = LoadCounter(4, 1000, LoadEvents(on_progress=seen.append), clock=clock)
    first = counter.source_callback()
    clock.now = 2
    first(Progress(200, 400, 1, 2))
    first(Progress(400, 400, 2, 2))  # too soon after the last report
    clock.now = 4
    counter.source_callback()(Progress(200, 600, 1, 2))
    assert [(one.files, one.bytes, one.bytes_per_second, one.seconds_left) for one in seen] == [
        (1, 200, 100, 8),
        (3, 600, 150, pytest.approx(400 / 150)),
    ]


def test_rate_is_that_of_the_last_seconds() -> None:
    seen: list[LoadProgress] = []
    clock = Clock()
    advance = LoadCounter(1, 10**6, LoadEvents(on_progress=seen.append), clock=clock).source_callback()
    for second in range(1, 31):
        clock.now = second
        advance(Progress(1000 * min(second, 10), 10**6, 0, 1))
    assert (seen[8].bytes_per_second, seen[-1].bytes_per_second, seen[-1].seconds_left) == (1000, None, None)


def test_stopped_load_ends_at_its_next_step() -> None:
    advance = LoadCounter(1, 10, LoadEvents(is_stopped=lambda: True)).source_callback()
    with pytest.raises(LoadingStopped):
        advance(Progress(1, 10, 0, 1))


def test_line_of_a_log_has_rate_and_time_left() -> None:
    at = LoadProgress(files=1, total_files=2000, bytes=2048, total_bytes=4096, bytes_per_second=1024, seconds_left=2)
    assert progress_line(at) == "2.0 KiB of 4.0 KiB, 1 of 2,000 files, 1.0 KiB/s, 2 s left"
