"""stalls.json in a job directory: the times in which a watchdog found that the command did no work."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.service.job_reports import UtcTimestamp


class StallCause(str, Enum):
    """Which limit of the watchdog was passed."""

    SILENT = "silent"
    IDLE_GPU = "idle_gpu"

    def __str__(self) -> str:
        return self.value


class Stall(ApiModel):
    """One time in which the command did no work."""

    cause: StallCause
    text: str
    """The warning; it stays as it is when the command works again."""
    since: UtcTimestamp
    until: UtcTimestamp | None = None
    """When the command worked again, or ended; None while that has not happened."""


class StallsFile(ApiModel):
    """stalls.json: the first stalls of a training, oldest first; later ones are only counted."""

    stalls: tuple[Stall, ...] = ()
    more_seconds: float = 0.0
    """Seconds of the stalls that are not listed."""

    @property
    def version(self) -> int:
        """A number that changes when a stall begins or ends."""
        return len(self.stalls) + sum(one.until is not None for one in self.stalls)

    @property
    def texts(self) -> tuple[str, ...]:
        """The warnings."""
        return tuple(one.text for one in self.stalls)

    def seconds(self, now: datetime) -> float:
        """Return for how long the command did no work; times that overlap count once, and open ones until *now*."""
        total, counted_until = 0.0, None
        for since, until in sorted((one.since, one.until or now) for one in self.stalls):
            begin = since if counted_until is None else max(since, counted_until)
            total += max(0.0, (until - begin).total_seconds())
            counted_until = until if counted_until is None else max(until, counted_until)
        return total + self.more_seconds
