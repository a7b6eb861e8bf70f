"""A training's metrics, gathered from its growing file and kept between questions."""

from __future__ import annotations

import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.curves import Curves, Point, Series
from airflow_dlaas.contract.training import Metric
from airflow_dlaas.service.metrics.downsample import thin
from airflow_dlaas.service.metrics.metric_phases import split
from airflow_dlaas.service.regular_file import open_to_read

SERIES_LIMIT = 200
"""Series told of one training: more nobody looks at."""

KEPT = 32
"""Trainings whose points are kept in memory between two questions."""

PIECE = 4 * 1024**2


@dataclass(slots=True)
class Gathered:
    """The points of one training's metrics file, as far as it has been read. Not thread-safe."""

    path: Path
    read: Callable[[bytes], Metric | None]
    offset: int = 0
    _series: dict[tuple[str, str], array[float]] = field(default_factory=dict, repr=False)
    """Three numbers a point, one after the other: a fifth of what as many tuples take."""
    _told: dict[tuple[int, int], tuple[Series, ...]] = field(default_factory=dict, repr=False)

    def catch_up(self) -> None:
        """Read what has come since; a line that is still being written waits."""
        try:
            file = open_to_read(self.path)
        except FileNotFoundError:
            return
        with file:
            file.seek(self.offset)
            while piece := file.read(PIECE):
                whole = piece.rfind(b"\n") + 1
                if not whole:
                    return
                self.offset += whole
                for line in piece[:whole].splitlines():
                    self._take(self.read(line))
                file.seek(self.offset)

    def curves(self, points: int, unless: str | None, *, complete: bool) -> Curves:
        """Tell the series with at most *points* points each, unless *unless* is still the newest version."""
        version = f"{self.offset}.{points}.{int(complete)}"
        if version == unless:
            return Curves(version=version, complete=complete)
        key = (self.offset, points)
        if key not in self._told:
            self._told = {
                key: tuple(
                    _series(name, phase, _points(numbers), points) for (phase, name), numbers in self._series.items()
                )
            }
        return Curves(version=version, series=self._told[key], complete=complete)

    def _take(self, metric: Metric | None) -> None:
        if metric is None:
            return
        moment = metric.timestamp.timestamp()
        for value in metric.values:
            key = split(metric.phase, value.name)
            if key in self._series or len(self._series) < SERIES_LIMIT:
                self._series.setdefault(key, array("d")).extend((float(metric.iteration), value.value, moment))


def _series(name: str, phase: str, all_points: list[Point], most: int) -> Series:
    return Series(name=name, phase=phase, total=len(all_points), points=tuple(thin(all_points, most)))


def _points(numbers: array[float]) -> list[Point]:
    return list(zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True))


class Gatherings:
    """The trainings that were asked for last, each with its own lock, so that one long file holds up nobody else."""

    def __init__(self, read: Callable[[bytes], Metric | None]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: OrderedDict[Path, tuple[threading.Lock, Gathered]] = OrderedDict()

    def curves(self, path: Path, points: int, unless: str | None, *, complete: bool) -> Curves:
        """Tell the curves in the metrics file *path*; `Gathered.curves` says more."""
        with self._lock:
            lock, gathered = self._kept.setdefault(path, (threading.Lock(), Gathered(path, self._read)))
            self._kept.move_to_end(path)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        with lock:
            gathered.catch_up()
            return gathered.curves(points, unless, complete=complete)
