"""A curve drawn with characters, for a terminal. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite

MIN_WIDTH, MIN_HEIGHT = 20, 4
"""The smallest plot in columns and lines; in a smaller terminal, the plot is that large all the same."""

DOTS_ACROSS, DOTS_DOWN = 2, 4
"""The dots of a braille character."""

XY = tuple[float, float]
"""What a metric was measured at (an epoch, a step, or a time), and its value."""


@dataclass(frozen=True, slots=True)
class PlotSize:
    """Columns and lines of a whole plot, its labels included."""

    width: int
    height: int


def draw_plot(title: str, points: Sequence[XY], size: PlotSize, axis: str = "") -> list[str]:
    """
    Return the lines of a plot of *points*: the title, the curve between its smallest and its largest value, the axis.

    A value that is not finite is not drawn: the curve is interrupted there, and a line below the plot states how many
    there are. Without any finite value, the result has only the title and that line.

    :param axis: what the points are measured at: ``epoch``, ``step`` or empty.
    """
    from plotille import Canvas

    finite = [(x, y) for x, y in points if isfinite(y)]
    missing = len(points) - len(finite)
    notes = [f"{missing:,} of {len(points):,} values are not finite and not drawn"] if missing else []
    if not finite:
        return [title, *(notes or ["no values"])]
    smallest, largest = min(y for _, y in finite), max(y for _, y in finite)
    margin = max(len(short_number(smallest)), len(short_number(largest)))
    scale = 1.0 if isfinite(largest - smallest) else 0.25  # the height of the plot must be a finite number
    low_x, high_x = _limits([x for x, _ in finite])
    low_y, high_y = _limits([y * scale for _, y in finite])
    width = max(MIN_WIDTH, size.width) - margin - 2
    height = max(MIN_HEIGHT, size.height) - 2
    # A canvas does not include its upper limits; with these, the largest values are on its last dots.
    beyond_x = low_x + (high_x - low_x) * (width * DOTS_ACROSS) / (width * DOTS_ACROSS - 1)
    beyond_y = low_y + (high_y - low_y) * (height * DOTS_DOWN) / (height * DOTS_DOWN - 1)
    canvas = Canvas(width, height, xmin=low_x, ymin=low_y, xmax=beyond_x, ymax=beyond_y)
    for x, y in finite:
        canvas.point(x, y * scale)
    for (x, y), (next_x, next_y) in pairwise(points):
        if isfinite(y) and isfinite(next_y) and x <= next_x:  # a step back begins another curve
            canvas.line(x, y * scale, next_x, next_y * scale)
    # Spaces instead of the empty braille character, which some fonts draw as a row of circles.
    rows = [row.replace("\u2800", " ").rstrip() for row in canvas.plot().splitlines()]
    labels = [""] * len(rows)
    if smallest < largest:
        labels[0], labels[-1] = short_number(largest), short_number(smallest)
    else:
        labels[len(rows) // 2] = short_number(smallest)
    curve = [f"{label:>{margin}} ┤{row}" for label, row in zip(labels, rows, strict=True)]
    first, last = (short_number(one) for one in (min(x for x, _ in finite), max(x for x, _ in finite)))
    right = f"{last} {axis}".rstrip()
    return [title, *curve, " " * (margin + 2) + f"{first}{right:>{width - len(first)}}", *notes]


def short_number(value: float) -> str:
    """Return *value* as people read it: whole numbers as such, others with four digits; ``nan`` and ``inf``."""
    if isfinite(value) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of an axis; that of equal values is made wide enough for a drawing."""
    low, high = min(values), max(values)
    if low < high:
        return low, high
    around = abs(low) / 2 or 1.0
    return low - around, high + around
