"""The history of a command's resource usage, in a file that stays small however long the command runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import log2
from pathlib import Path
from typing import TypeVar

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.contract.training import GpuUsage, ResourceUsage
from airflow_dlaas.service.learner.earlier_content import end_last_line
from airflow_dlaas.service.metrics.usage_series import read_usage_points
from airflow_dlaas.service.regular_file import open_regular_fd

NumberT = TypeVar("NumberT", int, float)

MAX_POINTS = 2000
"""Points in the file at most: two of them for each pixel of a chart, and 2 MB with eight GPUs."""


class UsageHistoryFile:
    """
    Writes the history to *path*, one `ResourceUsage` a line. Not thread-safe.

    When the file has *max_points* points, each two become one, and from then on each point stands for twice as many
    measurements. So all points stand for equal times, and the file has between half of *max_points* and all of them.
    A file of earlier attempts of the training is continued.

    :param interval: seconds between two measurements.

    :raises OSError: in every method: the file cannot be written. The measurements of the call are dropped.
    """

    def __init__(self, path: Path, max_points: int = MAX_POINTS, *, interval: float = 5.0) -> None:
        self._path = path
        self._max_points = max_points
        self._interval = interval
        self._measurements_per_point = 0
        """0 until the file was read."""
        self._pending: list[ResourceUsage] = []
        self._count = 0

    def add(self, usage: ResourceUsage) -> None:
        """Add a measurement."""
        if not self._measurements_per_point:
            earlier = list(read_usage_points(self._path))
            end_last_line(self._path)
            self._count, self._measurements_per_point = len(earlier), measurements_per_point(earlier, self._interval)
        self._pending.append(usage)
        if len(self._pending) >= self._measurements_per_point:
            self.flush()

    def flush(self) -> None:
        """Write the measurements that are not in the file yet, as one point."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        file = open_regular_fd(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(file, "a", encoding="utf-8") as opened:
            opened.write(_line(merge_usage(pending)))
        self._count += 1
        if self._count >= self._max_points:
            points = halve_points(list(read_usage_points(self._path)))
            atomic_write_text(self._path, "".join(map(_line, points)))
            self._count = len(points)
            self._measurements_per_point *= 2


def halve_points(points: Sequence[ResourceUsage]) -> list[ResourceUsage]:
    """Return half as many points: each two of *points* merged, and the last one alone if their number is odd."""
    return [merge_usage(points[start : start + 2]) for start in range(0, len(points), 2)]


def measurements_per_point(points: Sequence[ResourceUsage], interval: float) -> int:
    """
    Return for how many measurements each of *points* stands: a power of 2, from the median of the times between them.

    :param interval: seconds between two measurements.
    """
    times = sorted((after.at - before.at).total_seconds() for before, after in pairwise(points))
    ratio = times[len(times) // 2] / interval if times else 1.0
    return int(2 ** round(log2(ratio))) if ratio > 1 else 1


def merge_usage(points: Sequence[ResourceUsage]) -> ResourceUsage:
    """
    Return one point for the time of all *points*, at least one, which stand for equal times.

    Of time shares (CPU and GPU), the mean is the use over that time. Of memory, the highest amount counts: it decides
    whether a training fits. A figure that some points do not have is that of the others.
    """
    gpus: dict[str, list[GpuUsage]] = {}
    for point in points:
        for gpu in point.gpus:
            gpus.setdefault(gpu.name, []).append(gpu)
    return ResourceUsage(
        at=points[-1].at,
        memory_bytes=_known(max, (one.memory_bytes for one in points)),
        cpu_percent=_known(_mean, (one.cpu_percent for one in points)),
        gpus=tuple(
            GpuUsage(
                name=name,
                utilization=_known(_mean, (one.utilization for one in same)),
                memory_used=_known(max, (one.memory_used for one in same)),
                memory_total=_known(max, (one.memory_total for one in same)),
            )
            for name, same in gpus.items()
        ),
    )


def _known(combine: Callable[[list[NumberT]], NumberT], values: Iterable[NumberT | None]) -> NumberT | None:
    known = [value for value in values if value is not None]
    return combine(known) if known else None


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 1)


def _line(usage: ResourceUsage) -> str:
    return usage.model_dump_json(exclude_none=True) + "\n"
