"""The metrics of a training while it is followed, collected from the frames of its log stream. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_dlaas.cli.plot import XY
from airflow_dlaas.contract.curves import metric_label
from airflow_dlaas.contract.training import Metric

MAX_POINTS = 4000
"""Points of one curve that are kept: many more than a terminal has columns. Beyond it, every second one is dropped."""


@dataclass(slots=True)
class LiveSeries:
    """One metric of one phase."""

    name: str
    phase: str
    axis: str = ""
    """``epoch``, ``step``, or empty if it is unknown."""
    is_progress: bool = False
    """Whether a progress bar showed the values: they are measured within an epoch."""
    attempt: int = 1
    """The attempt of the training that measured the last value."""
    points: list[XY] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The name of the metric, with its phase."""
        return metric_label(self.phase, self.name)

    def append(self, point: XY, attempt: int) -> None:
        """Append a value. What earlier attempts measured from its place on is dropped: that training was lost."""
        if attempt > self.attempt:
            self.attempt = attempt
            self.points = [one for one in self.points if one[0] < point[0]]
        self.points.append(point)
        if len(self.points) > MAX_POINTS:
            del self.points[1:-1:2]


class LiveMetrics:
    """Curves that grow. What a progress bar showed is a curve of its own, as in the curves of the service."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, bool], LiveSeries] = {}

    def add(self, metrics: Iterable[Metric]) -> None:
        """Append the values of *metrics* to their curves."""
        for metric in metrics:
            for value in metric.values:
                key = (metric.phase, value.name, bool(metric.progress))
                series = self._series.setdefault(key, LiveSeries(value.name, metric.phase, is_progress=key[2]))
                series.axis = metric.axis or series.axis
                series.append((float(metric.iteration), value.value), metric.attempt or 1)

    @property
    def series(self) -> Sequence[LiveSeries]:
        """All curves, in the order of their first values."""
        return tuple(self._series.values())

    def latest(self) -> Mapping[str, float]:
        """Return the newest value of each metric by its label."""
        return {one.label: one.points[-1][1] for one in self._series.values()}


def main_series(series: Sequence[LiveSeries], wanted: str | None) -> LiveSeries | None:
    """
    Return the curve to show: the metric *wanted*, else the loss, else the first one; None if there is none.

    Of the curves of one metric, measured values come before those of a progress bar, and training before validation,
    unless a curve has too few points to be one.

    :param wanted: the name of a metric, or its label with the phase (``validation/loss``).
    """
    if wanted is not None:
        series = [one for one in series if wanted in (one.name, one.label)]
    return min(series, key=lambda one: _rank(one, series), default=None)


def _rank(one: LiveSeries, all_series: Sequence[LiveSeries]) -> tuple[bool, bool, bool, bool, int]:
    return (
        one.name.lower() != "loss",
        "loss" not in one.name.lower(),
        len(one.points) < 2,
        one.is_progress,
        all_series.index(one),
    )
