"""Decides whether a running command does no work, by the limits of its watchdog. Values in, findings out; no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_dlaas.contract.training import ResourceUsage
from airflow_dlaas.contract.watchdog import Watchdog
from airflow_dlaas.service.stall_report import StallCause

CHECK_INTERVAL = 5.0
"""Seconds between two checks, at most."""

MIN_CHECK_INTERVAL = 0.1
"""Seconds between two checks, at least."""

MAX_SAMPLE_GAP = 15.0
"""Seconds between two measurements of the GPUs, at most: with a larger gap, the mean over the window is not known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A limit that the command has passed."""

    cause: StallCause
    since: float
    """Since when it did no work, by the clock of `CommandActivity`."""
    text: str
    """What was found, as the end of a sentence about the command."""


@dataclass(slots=True)
class CommandActivity:
    """What is known of a command since its start. All times are seconds of one monotonic clock."""

    started_at: float
    output_at: float | None = None
    """When it wrote to its log last; None if it has written nothing."""
    gpu_use: deque[tuple[float, float]] = field(default_factory=deque)
    """Times and percents: the mean use of its GPUs at each measurement."""

    def add_usage(self, usage: ResourceUsage, at: float, window: float) -> None:
        """Add a measurement of the GPUs at *at*; those that are older than *window* seconds are dropped."""
        known = [one.utilization for one in usage.gpus if one.utilization is not None]
        if known:
            self.gpu_use.append((at, sum(known) / len(known)))
        while self.gpu_use and self.gpu_use[0][0] < at - window:
            self.gpu_use.popleft()

    def silent_seconds(self, now: float) -> float:
        """Return for how long the command has written nothing."""
        return now - max(self.started_at, self.output_at or self.started_at)

    def mean_gpu_use(self, window: float, now: float) -> float | None:
        """Return the mean use of the GPUs in the last *window* seconds; None if it is not known for all of them."""
        times = [at for at, _ in self.gpu_use if at >= now - window]
        if now - self.started_at < window or not times:
            return None
        gaps = (later - earlier for earlier, later in zip([now - window, *times], [*times, now], strict=True))
        if max(gaps) > MAX_SAMPLE_GAP:
            return None
        values = [use for at, use in self.gpu_use if at >= now - window]
        return sum(values) / len(values)


def find_stalls(watchdog: Watchdog, activity: CommandActivity, now: float) -> Iterator[Finding]:
    """Yield the limits of *watchdog* that a running command has passed at *now*."""
    silent = activity.silent_seconds(now)
    if watchdog.silent_for is not None and silent >= watchdog.silent_for:
        text = f"it has written nothing to its log for {watchdog.silent_for:g} seconds, the limit silent_for"
        yield Finding(StallCause.SILENT, now - silent, text)
    if watchdog.gpu_below is not None:
        mean = activity.mean_gpu_use(watchdog.gpu_window, now)
        if mean is not None and mean < watchdog.gpu_below:
            text = (
                f"the mean use of its GPUs was {mean:.1f} % over {watchdog.gpu_window:g} seconds; the limit gpu_below "
                f"is {watchdog.gpu_below:g} %"
            )
            yield Finding(StallCause.IDLE_GPU, now - watchdog.gpu_window, text)


def has_recovered(cause: StallCause, watchdog: Watchdog, activity: CommandActivity, now: float) -> bool:
    """Return whether a command that had passed the limit of *cause* works again; an unknown use is no work."""
    if cause is StallCause.SILENT:
        return watchdog.silent_for is None or activity.silent_seconds(now) < watchdog.silent_for
    mean = activity.mean_gpu_use(watchdog.gpu_window, now)
    return watchdog.gpu_below is None or (mean is not None and mean >= watchdog.gpu_below)


def seconds_until_check(watchdog: Watchdog, activity: CommandActivity, now: float) -> float:
    """Return the seconds until the next check: the moment at which the command would have been silent for too long."""
    if watchdog.silent_for is None:
        return CHECK_INTERVAL
    left = watchdog.silent_for - activity.silent_seconds(now)
    # While it is silent, often enough to see a short output before the next silence.
    due = left if left > 0 else watchdog.silent_for / 4
    return min(CHECK_INTERVAL, max(MIN_CHECK_INTERVAL, due))
