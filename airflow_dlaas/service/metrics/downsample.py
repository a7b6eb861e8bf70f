"""Downsampling of curves: fewer points that look the same in a chart. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

PointT = TypeVar("PointT", bound=tuple[float, ...])


def downsample(points: Sequence[PointT], max_points: int) -> list[PointT]:
    """
    Return at most *max_points* of *points*, in their order: the first, the last, and the lowest and highest of each
    bucket.

    So a spike of one point is never lost. A value that is not finite counts as both lowest and highest: a user looks
    for the step where a loss became NaN. The value of a point is its second number.
    """
    if len(points) <= max_points:
        return list(points)
    if max_points < 4:
        return [points[0], points[-1]][: max(max_points, 0)]
    bucket_count = (max_points - 2) // 2
    inner = len(points) - 2
    kept: list[PointT] = [points[0]]
    for number in range(bucket_count):
        begin, end = 1 + inner * number // bucket_count, 1 + inner * (number + 1) // bucket_count
        bucket = range(begin, end)
        non_finite = next((one for one in bucket if not math.isfinite(points[one][1])), None)
        low = min(bucket, key=lambda one: points[one][1]) if non_finite is None else non_finite
        high = max(bucket, key=lambda one: points[one][1]) if non_finite is None else non_finite
        kept.extend(points[one] for one in sorted({low, high}))
    kept.append(points[-1])
    return kept
