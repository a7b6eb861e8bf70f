"""The curves of trainings, read from their growing metrics files and cached between requests."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.curves import Curves, Point, Series
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.metrics.downsample import downsample
from airflow_dlaas.service.metrics.metric_lines import MetricLineReader
from airflow_dlaas.service.metrics.position_tracker import STEP_AXIS
from airflow_dlaas.service.metrics.series_names import SeriesKey, series_key, series_names
from airflow_dlaas.service.metrics.series_points import SeriesPoints, increases
from airflow_dlaas.service.regular_file import open_regular_file

MAX_SERIES = 200
"""Maximum number of series of one training; further ones are dropped."""

MAX_CACHED_TRAININGS = 32
"""Trainings whose points stay in memory between requests."""

TIME_AXIS = "time"
"""The axis of a series whose iterations do not increase."""

CHUNK_SIZE = 4 * 1024**2


@dataclass(slots=True)
class CachedMetrics:
    """The points of one metrics file, as far as it has been read. Not thread-safe."""

    path: Path
    reader: MetricLineReader
    offset: int = 0
    _series: dict[SeriesKey, SeriesPoints] = field(default_factory=dict, repr=False)
    _curves_cache: dict[tuple[int, int], tuple[Series, ...]] = field(default_factory=dict, repr=False)

    def read_new_lines(self) -> None:
        """Read the lines that were added since the last call; an incomplete line is read later."""
        try:
            file = open_regular_file(self.path)
        except FileNotFoundError:
            return
        with file:
            file.seek(self.offset)
            while chunk := file.read(CHUNK_SIZE):
                whole = chunk.rfind(b"\n") + 1
                if not whole:
                    return
                self.offset += whole
                for line in chunk[:whole].splitlines():
                    self._add_line(line)
                file.seek(self.offset)

    def curves(self, max_points: int, known_version: str | None, *, complete: bool) -> Curves:
        """Return series of at most *max_points* points each; without series if *known_version* is still current."""
        version = f"{self.offset}.{max_points}.{int(complete)}"
        if version == known_version:
            return Curves(version=version, complete=complete)
        key = (self.offset, max_points)
        if key not in self._curves_cache:
            self._curves_cache = {
                key: tuple(
                    _build_series(name, phase, is_progress, points, max_points)
                    for (phase, name, is_progress), points in self._named_series().items()
                )
            }
        return Curves(version=version, series=self._curves_cache[key], complete=complete)

    def _add_line(self, line: bytes) -> None:
        metric = self.reader.read(line)
        if metric is None:
            return
        for name, value in metric.values:
            key = series_key(metric.phase, name, metric.is_progress, metric.event_folder)
            points = self._series.get(key)
            if points is None:
                if len(self._series) >= MAX_SERIES:
                    continue
                points = self._series[key] = SeriesPoints()
            points.add(metric.attempt, (metric.iteration, value, metric.timestamp), metric.axis)

    def _named_series(self) -> dict[tuple[str, str, bool], SeriesPoints]:
        """Return the points by phase, name, and whether a progress bar showed them."""
        named: dict[tuple[str, str, bool], SeriesPoints] = {}
        for key, name in series_names(self._series).items():
            label, points = (key.phase, name, key.is_progress), self._series[key]
            named[label] = named[label].merged(points) if label in named else points
        return named


def _build_series(name: str, phase: str, is_progress: bool, points: SeriesPoints, max_points: int) -> Series:
    numbers = points.curve()
    unpacked: list[Point] = list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True))
    return Series(
        name=name,
        phase=phase,
        axis=_axis(points.axes, numbers[0::3]),
        progress=is_progress,
        total=len(unpacked),
        points=tuple(downsample(unpacked, max_points)),
    )


def _axis(stated: set[str | None], iterations: array[float]) -> str | None:
    """Return what *iterations* count; `TIME_AXIS` if they cannot be the axis of a chart."""
    if not increases(iterations):
        return TIME_AXIS
    known = stated - {None}
    if len(known) == 1 and None not in stated:
        return next(iter(known))
    return STEP_AXIS if STEP_AXIS in known else None


class MetricsCache:
    """
    Caches the most recently requested trainings. Thread-safe; each has its own lock, so that a long file delays no
    other.
    """

    def __init__(self, parse_line: Callable[[bytes], Metric | None]) -> None:
        self._parse_line = parse_line
        self._lock = threading.Lock()
        self._entries: OrderedDict[Path, tuple[threading.Lock, CachedMetrics]] = OrderedDict()

    def curves(self, path: Path, max_points: int, known_version: str | None, *, complete: bool) -> Curves:
        """Return the curves of the metrics file *path*; see `CachedMetrics.curves`."""
        with self._lock:
            lock, metrics = self._entries.setdefault(
                path, (threading.Lock(), CachedMetrics(path, MetricLineReader(self._parse_line)))
            )
            self._entries.move_to_end(path)
            while len(self._entries) > MAX_CACHED_TRAININGS:
                self._entries.popitem(last=False)
        with lock:
            metrics.read_new_lines()
            return metrics.curves(max_points, known_version, complete=complete)
