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
from airflow_dlaas.service.metrics.metric_phases import split_phase
from airflow_dlaas.service.regular_file import open_regular_file

MAX_SERIES = 200
"""Maximum number of series of one training; further ones are dropped."""

MAX_CACHED_TRAININGS = 32
"""Trainings whose points stay in memory between requests."""

CHUNK_SIZE = 4 * 1024**2


@dataclass(slots=True)
class CachedMetrics:
    """The points of one metrics file, as far as it has been read. Not thread-safe."""

    path: Path
    parse_line: Callable[[bytes], Metric | None]
    offset: int = 0
    _series: dict[tuple[str, str], array[float]] = field(default_factory=dict, repr=False)
    """Three consecutive numbers per point: this takes a fifth of the memory of tuples."""
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
                    self._add_metric(self.parse_line(line))
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
                    _build_series(name, phase, _unpack_points(numbers), max_points)
                    for (phase, name), numbers in self._series.items()
                )
            }
        return Curves(version=version, series=self._curves_cache[key], complete=complete)

    def _add_metric(self, metric: Metric | None) -> None:
        if metric is None:
            return
        timestamp = metric.timestamp.timestamp()
        for value in metric.values:
            key = split_phase(metric.phase, value.name)
            if key in self._series or len(self._series) < MAX_SERIES:
                self._series.setdefault(key, array("d")).extend((float(metric.iteration), value.value, timestamp))


def _build_series(name: str, phase: str, points: list[Point], max_points: int) -> Series:
    return Series(name=name, phase=phase, total=len(points), points=tuple(downsample(points, max_points)))


def _unpack_points(numbers: array[float]) -> list[Point]:
    return list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True))


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
            lock, metrics = self._entries.setdefault(path, (threading.Lock(), CachedMetrics(path, self._parse_line)))
            self._entries.move_to_end(path)
            while len(self._entries) > MAX_CACHED_TRAININGS:
                self._entries.popitem(last=False)
        with lock:
            metrics.read_new_lines()
            return metrics.curves(max_points, known_version, complete=complete)
