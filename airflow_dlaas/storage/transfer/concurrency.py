"""How many things to do at a time. No I/O, no clock: told how it goes, says what next."""

from __future__ import annotations

FIRST = 8
"""Threads to begin with: as quick as any number on a store next door."""

MOST = 64
"""Threads beyond which one process gets no quicker, however far away the store is."""

PERIOD = 1.0
"""Seconds over which the speed is measured."""

WORTH = 1.15
"""How much quicker twice the threads must be to be kept: less may be chance."""


class Pace:
    """
    Doubles the threads as long as each doubling pays, and takes the last one back when it did not.

    On a store nearby eight connections keep it busy; over a line on which each answer takes long, more are
    proportionally quicker, and nothing but trying tells the two apart.

    :param threads: keep to that number; None finds one.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or FIRST
        self.look_again: float | None = None if threads else PERIOD
        """Seconds after which to `note` how it goes; None when nothing would come of it."""
        self._since: tuple[float, float] | None = None
        self._before = 0.0

    def note(self, now: float, work: float) -> None:
        """Take note that *work* (in any unit) had been done by *now* (in seconds, from any beginning)."""
        if self.look_again is None:
            return
        if self._since is None:
            self._since = now, work
            return
        began, done = self._since
        if now - began < PERIOD:
            return
        speed = (work - done) / (now - began)
        if self._before and speed < self._before * WORTH:
            self.threads //= 2
            self.look_again = None
        elif self.threads >= MOST:
            self.look_again = None
        else:
            self.threads *= 2
        self._before = speed
        self._since = now, work
