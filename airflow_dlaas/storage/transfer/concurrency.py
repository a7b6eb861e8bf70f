"""How many things to do at a time. No I/O, no clock: told how it goes, says what next."""

from __future__ import annotations

INITIAL_THREADS = 8
"""Threads to begin with: as quick as any number on a store next door."""

MAX_THREADS = 64
"""Threads beyond which one process gets no quicker, however far away the store is."""

MEASURE_INTERVAL = 1.0
"""Seconds over which the speed is measured."""

MIN_SPEEDUP = 1.15
"""How much quicker twice the threads must be to be kept: less may be chance."""


class AdaptiveConcurrency:
    """
    Doubles the threads as long as each doubling pays, and takes the last one back when it did not.

    On a store nearby eight connections keep it busy; over a line on which each answer takes long, more are
    proportionally quicker, and nothing but trying tells the two apart.

    :param threads: keep to that number; None finds one.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or INITIAL_THREADS
        self.update_interval: float | None = None if threads else MEASURE_INTERVAL
        """Seconds after which to `update` how it goes; None when nothing would come of it."""
        self._last_sample: tuple[float, float] | None = None
        self._last_speed = 0.0

    def update(self, now: float, work_done: float) -> None:
        """Take note that *work_done* (in any unit) had been done by *now* (in seconds, from any beginning)."""
        if self.update_interval is None:
            return
        if self._last_sample is None:
            self._last_sample = now, work_done
            return
        began, done = self._last_sample
        if now - began < MEASURE_INTERVAL:
            return
        speed = (work_done - done) / (now - began)
        if self._last_speed and speed < self._last_speed * MIN_SPEEDUP:
            self.threads //= 2
            self.update_interval = None
        elif self.threads >= MAX_THREADS:
            self.update_interval = None
        else:
            self.threads *= 2
        self._last_speed = speed
        self._last_sample = now, work_done
