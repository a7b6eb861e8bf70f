"""Fewer points that look the same: what a chart has no pixels for is left out. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from airflow_dlaas.contract.curves import Point


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """
    Keep at most *most* of *points*: the first, the last, and of every stretch between them the lowest and the highest.

    So a spike of one point is never lost. A value that is no number counts as both lowest and highest, since where a
    loss became NaN is what one looks for. The order stays.
    """
    if len(points) <= most:
        return list(points)
    if most < 4:
        return [points[0], points[-1]][: max(most, 0)]
    stretches = (most - 2) // 2
    inner = len(points) - 2
    kept: list[Point] = [points[0]]
    for number in range(stretches):
        begin, end = 1 + inner * number // stretches, 1 + inner * (number + 1) // stretches
        stretch = range(begin, end)
        odd = next((one for one in stretch if not math.isfinite(points[one][1])), None)
        low = min(stretch, key=lambda one: points[one][1]) if odd is None else odd
        high = max(stretch, key=lambda one: points[one][1]) if odd is None else odd
        kept.extend(points[one] for one in sorted({low, high}))
    kept.append(points[-1])
    return kept
