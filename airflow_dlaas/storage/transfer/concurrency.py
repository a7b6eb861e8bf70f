"""The number of threads of a transfer, adapted to the measured speed. No I/O and no clock."""

from __future__ import annotations

INITIAL_THREADS = 8
"""Threads at the beginning: on a store nearby more are no faster."""

MAX_THREADS = 64
"""Threads beyond which one process is no faster, however far away the store is."""

MEASURE_INTERVAL = 1.0
"""Seconds over which the speed is measured."""

MIN_SPEEDUP = 1.15
"""Ratio of the speed after a doubling of the threads to the speed before, below which the doubling is taken back: a
smaller gain may be chance."""


class AdaptiveConcurrency:
    """
    Doubles the number of threads as long as that increases the speed, and takes the last doubling back otherwise.

    Eight connections use a store nearby to the full. If each response takes long, the speed grows with the number of
    connections. Only a measurement distinguishes the two cases.

    :param threads: a fixed number of threads; None adapts the number.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or INITIAL_THREADS
        self.update_interval: float | None = None if threads else MEASURE_INTERVAL
        """Seconds until the next call of `update`; None when the number of threads is final."""
        self._last_sample: tuple[float, float] | None = None
        self._last_speed = 0.0

    def update(self, now: float, work_done: float) -> None:
        """
        Choose the number of threads from the progress since the last measurement.

        :param now: in seconds, from any origin.
        :param work_done: the total until now, in any unit.
        """
        if self.update_interval is None:
            return
        if self._last_sample is None:
            self._last_sample = now, work_done
            return
        last_time, last_work = self._last_sample
        if now - last_time < MEASURE_INTERVAL:
            return
        speed = (work_done - last_work) / (now - last_time)
        if self._last_speed and speed < self._last_speed * MIN_SPEEDUP:
            self.threads //= 2
            self.update_interval = None
        elif self.threads >= MAX_THREADS:
            self.update_interval = None
        else:
            self.threads *= 2
        self._last_speed = speed
        self._last_sample = now, work_done
