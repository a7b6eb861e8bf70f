"""Curves and logs in pieces that a page can show (ours; `Extensions.curves`)."""

from __future__ import annotations

from airflow_dlaas.contract.base import ApiList, ApiModel

DEFAULT_POINTS = 800
"""Points of one series that are told unless another number is asked for: about one for each pixel of a chart."""

MAX_POINTS = 5000

MAX_LOG_CHUNK_BYTES = 1024**2
"""Bytes of log that one answer holds at most."""

Point = tuple[float, float, float]
"""Iteration, value, and seconds since the epoch."""


class Series(ApiModel):
    """One metric over the iterations; the points told may be fewer than there are."""

    name: str
    phase: str = ""
    """``train`` or ``validation``, or empty where nothing says which."""
    total: int
    """Points there are."""
    points: ApiList[Point]


class Curves(ApiModel):
    """All metrics of a training. Given back as ``unless``, its version is answered without series while it holds."""

    version: str
    series: ApiList[Series] | None = None
    complete: bool = False
    """Whether no more can come."""


class LogChunk(ApiModel):
    """Whole lines of a log from byte *start* up to byte *end*; the log has *size* bytes so far."""

    text: str
    start: int
    end: int
    size: int
    complete: bool = False
    """Whether the log has ended with this piece."""


class LogMatch(ApiModel):
    """A line that holds what was looked for, and the byte it starts at."""

    start: int
    line: str


class LogMatches(ApiModel):
    """What was found in one go; *next* is where to look on, None where all was looked through."""

    matches: ApiList[LogMatch]
    next: int | None = None
