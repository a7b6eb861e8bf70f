"""The metrics and the log of a training in portions that a page can show (extension `curves`)."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_dlaas.contract.base import ApiList, ApiModel

DEFAULT_POINTS = 800
"""Points of one series, unless the request has another number: about one per pixel of a chart."""

MAX_POINTS = 5000
"""The most points of one series that a request may ask for."""

MAX_LOG_CHUNK_BYTES = 1024**2
"""The most bytes of log in one response."""

Point = tuple[float, float, float]
"""Iteration, value, and seconds since the epoch."""


class Series(ApiModel):
    """One metric over the iterations; a response may have fewer points than were measured."""

    name: str
    phase: str = ""
    """``train``, ``validation``, or empty if it is unknown."""
    axis: str | None = None
    """What the iterations count: ``epoch`` or ``step``; ``time`` if they do not increase, so that a chart has to show
    the points over time; None if it is unknown."""
    progress: bool = False
    """Whether a redrawn progress bar showed the values: measured within an epoch, often smoothed."""
    total: int
    """Points that were measured, without those of an earlier attempt that a later one replaces."""
    points: ApiList[Point]


class Curves(ApiModel):
    """All metrics of a training. A request with this version as ``unless`` gets no series until they change."""

    version: str
    series: ApiList[Series] | None = None
    complete: bool = False
    """Whether there can be no further points."""


class LogChunk(ApiModel):
    """
    Whole lines of a log, from byte `start` to byte `end` (exclusive); the log has `size` bytes so far.

    Of a line that is being redrawn, such as a progress bar, the states so far count as complete: each is a carriage
    return and the text.
    """

    text: str
    start: int
    end: int
    size: int
    complete: bool = False
    """Whether the log is complete and ends with this chunk."""


class LogMatch(ApiModel):
    """
    A line with the text of the search, and the byte that it starts at.

    `line` is plain text, without colours. Of a redrawn line it is the newest state, and `start` is where that begins.
    """

    start: int
    line: str


class LogMatches(ApiModel):
    """The matches of one search request; `next` is the offset of the next one, None at the end of the log."""

    matches: ApiList[LogMatch]
    next: int | None = None


def metric_label(phase: str, name: str) -> str:
    """Return the name of a metric, with its phase if it has one."""
    return f"{phase}/{name}" if phase else name


def series_of_final_values(series: Iterable[Series]) -> list[Series]:
    """
    Return one of *series* for each label: the one whose values no progress bar showed, if a label has both.

    The last point of each is the final value of its metric, also if it is not finite.
    """
    by_label: dict[str, Series] = {}
    for one in series:
        label = metric_label(one.phase, one.name)
        if label not in by_label or (by_label[label].progress and not one.progress):
            by_label[label] = one
    return list(by_label.values())
