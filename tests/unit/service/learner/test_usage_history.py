"""The history of a command's resource usage stays small and keeps what matters."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.service.learner.usage_history import (
    UsageHistoryFile,
    halve_points,
    measurements_per_point,
    merge_usage,
)
from airflow_dlaas.service.metrics.usage_series import read_usage_points

START = datetime(2026, 3, 1, tzinfo=timezone.utc)


def measured(seconds: int, memory: int | None = 0, cpu: float | None = 0.0, *gpus: GpuUsage) -> ResourceUsage:
    return ResourceUsage(at=START + timedelta(seconds=seconds), memory_bytes=memory, cpu_percent=cpu, gpus=gpus)


def test_merged_point_has_the_mean_of_shares_and_the_peak_of_memory() -> None:
    gpus = (
        GpuUsage(name="0", utilization=100.0, memory_used=7, memory_total=9),
        GpuUsage(name="0", utilization=40.0, memory_used=5, memory_total=9),
        GpuUsage(name="1", utilization=None, memory_used=3, memory_total=None),
    )
    merged = merge_usage([measured(5, 10, 100.0, gpus[0]), measured(10, 4, 0.0, gpus[1], gpus[2])])
    assert merged == measured(
        10, 10, 50.0, GpuUsage(name="0", utilization=70.0, memory_used=7, memory_total=9), gpus[2]
    )
    assert merge_usage([measured(5, None, None), measured(10, 3, 8.0)]) == measured(10, 3, 8.0)


@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_halving_keeps_the_whole_time(number: int) -> None:
    points = [measured(second) for second in range(1, number + 1)]
    halved = halve_points(points)
    assert len(halved) == (number + 1) // 2
    assert halved[-1:] == points[-1:]


def test_history_of_a_week_is_small_and_covers_all_of_it(tmp_path: Path) -> None:
    path, week = tmp_path / "usage.jsonl", range(5, 7 * 24 * 3600, 300)
    history = UsageHistoryFile(path, max_points=100)
    for second in week:
        history.add(measured(second, memory=second == week[1000], cpu=200.0))
    history.flush()
    points = list(read_usage_points(path))
    assert 50 <= len(points) <= 100
    assert points[-1].at == measured(week[-1]).at
    assert [point.memory_bytes for point in points].count(1) == 1
    assert {point.cpu_percent for point in points} == {200.0}
    steps = {(after.at - before.at).total_seconds() for before, after in pairwise(points[:-1])}
    assert steps == {300 * 32}


def test_history_continues_after_an_incomplete_line(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    history = UsageHistoryFile(path)
    history.add(measured(1))
    with path.open("a") as file:
        file.write('{"at": "20\n')
    history.add(measured(2))
    assert list(read_usage_points(path)) == [measured(1), measured(2)]


def test_history_of_a_further_attempt_continues_that_of_the_earlier_ones(tmp_path: Path) -> None:
    """All points stand for about equal times, also if those of the earlier attempt were merged."""
    path, lost_at, begins_at = tmp_path / "usage.jsonl", 5 * 450, 5 * 1000
    earlier = UsageHistoryFile(path, max_points=100)
    for second in range(0, lost_at, 5):
        earlier.add(measured(second))
    assert len(list(read_usage_points(path))) == 56  # of 8 measurements each; the rest was lost with its learner
    later = UsageHistoryFile(path, max_points=100, interval=5.0)
    for second in range(begins_at, begins_at + 5 * 160, 5):
        later.add(measured(second))
    points = list(read_usage_points(path))
    assert len(points) == 56 + 160 // 8
    assert {(after.at - before.at).total_seconds() for before, after in pairwise(points[56:])} == {40.0}


def test_incomplete_line_of_an_earlier_attempt_hides_no_measurement(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    UsageHistoryFile(path).add(measured(1))
    with path.open("a") as file:
        file.write('{"at": "20')
    UsageHistoryFile(path).add(measured(2))
    assert list(read_usage_points(path)) == [measured(1), measured(2)]


def test_points_of_few_measurements_stand_for_one_each() -> None:
    assert measurements_per_point([], 5.0) == 1
    assert measurements_per_point([measured(1), measured(2), measured(7)], 5.0) == 1
    assert measurements_per_point([measured(21), measured(40), measured(60)], 5.0) == 4


def test_pipe_in_place_of_the_history_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        UsageHistoryFile(path).add(measured(1))
