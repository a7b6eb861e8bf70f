"""Reads the history of a command's resource usage, as series for a chart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.contract.usage_history import UsageHistory, UsagePoint, UsageSeries
from airflow_dlaas.service.metrics.downsample import downsample
from airflow_dlaas.service.regular_file import open_regular_file

MAX_FILE_SIZE = 16 * 1024**2
"""Bytes that are read: several times what the learner writes. A command without a sandbox can replace the file."""

MAX_SERIES = 200
"""Series of one training at most: more than a machine has GPUs."""

PERCENT, BYTES = "percent", "bytes"


def read_usage_history(path: Path, max_points: int, *, complete: bool) -> UsageHistory:
    """
    Return the history in *path* as series of at most *max_points* points each; without series if there is no file.

    :raises OSError: it is no regular file, or cannot be read.
    """
    points: dict[tuple[str, str], list[UsagePoint]] = {}
    limits: dict[tuple[str, str], float] = {}
    for usage in read_usage_points(path):
        at = usage.at.timestamp()
        for resource, device, value, limit in _figures(usage):
            series = (resource, device)
            if value is None or not math.isfinite(value) or (series not in points and len(points) == MAX_SERIES):
                continue
            points.setdefault(series, []).append((at, value))
            if limit is not None:
                limits[series] = limit
    return UsageHistory(
        series=tuple(
            UsageSeries(
                resource=resource,
                unit=BYTES if "memory" in resource else PERCENT,
                device=device,
                limit=limits.get((resource, device)),
                points=tuple(downsample(values, max_points)),
            )
            for (resource, device), values in points.items()
        ),
        complete=complete,
    )


def read_usage_points(path: Path) -> Iterator[ResourceUsage]:
    """
    Yield the points in *path*, without invalid lines, such as one that a full disk left incomplete.

    :raises OSError: it is no regular file, or cannot be read.
    """
    try:
        with open_regular_file(path) as file:
            content = file.read(MAX_FILE_SIZE)
    except FileNotFoundError:
        return
    for line in content.splitlines():
        try:
            yield ResourceUsage.model_validate_json(line)
        except ValidationError:  # noqa: PERF203 - each line is read for itself
            continue


def _figures(usage: ResourceUsage) -> Iterator[tuple[str, str, float | None, float | None]]:
    """Yield the resource, the device, its use, and the amount that the device has."""
    yield "cpu", "", usage.cpu_percent, None
    yield "memory", "", usage.memory_bytes, None
    for gpu in usage.gpus:
        yield "gpu", gpu.name, gpu.utilization, 100.0
        yield "gpu_memory", gpu.name, gpu.memory_used, gpu.memory_total
