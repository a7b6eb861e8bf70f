"""
The points of one series, over all attempts of a training. No I/O.

A further attempt begins with a checkpoint, so it measures the last steps before the loss of the attempt before it
again. The curve is that of the weights that exist: it has these steps once, as the later attempt measured them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from operator import sub


def _empty() -> array[float]:
    return array("d")


def increases(iterations: array[float]) -> bool:
    """
    Return whether *iterations* can be the axis of a chart.

    They cannot if they fall somewhere, or mostly stay: the step starts again in each epoch, or each line of an epoch
    has only the number of the epoch. A few points at the same iteration do no harm.
    """
    steps = list(map(sub, iterations[1:], iterations))
    return not steps or (min(steps) >= 0 and 2 * steps.count(0.0) <= len(steps))


@dataclass(slots=True)
class SeriesPoints:
    """The points of one series."""

    by_attempt: dict[int, array[float]] = field(default_factory=dict, repr=False)
    """Three consecutive numbers per point (iteration, value, time): this takes a fifth of the memory of tuples."""
    axes: set[str | None] = field(default_factory=set)
    """What the iterations count, as the points state it."""

    def add(self, attempt: int, numbers: tuple[float, float, float], axis: str | None) -> None:
        """Add a point: its iteration, its value and its time."""
        found = self.by_attempt.get(attempt)
        if found is None:
            found = self.by_attempt[attempt] = _empty()
        found.extend(numbers)
        self.axes.add(axis)

    def merged(self, other: SeriesPoints) -> SeriesPoints:
        """Return these points and, after those of the same attempt, those of *other*."""
        attempts = {**self.by_attempt, **other.by_attempt}
        joined = {one: self.by_attempt.get(one, _empty()) + other.by_attempt.get(one, _empty()) for one in attempts}
        return SeriesPoints(joined, self.axes | other.axes)

    def curve(self) -> array[float]:
        """
        Return the points of the curve: those of an attempt replace earlier ones from its first iteration on.

        Where the iterations of an attempt do not increase, a chart shows all points over time, so none is replaced.
        """
        parts = [self.by_attempt[attempt] for attempt in sorted(self.by_attempt)]
        replaces = len(parts) > 1 and all(increases(part[0::3]) for part in parts)
        curve = _empty()
        for part in parts:
            kept = 3 * bisect_left(curve[0::3], part[0]) if replaces else len(curve)
            curve = curve[:kept] + part
        return curve
