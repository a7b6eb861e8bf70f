"""How many monitors may be open at a time, and when those that are refused may come again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_dlaas.errors import RateLimited

SOONEST = 10.0
"""Seconds after which a refused client may try again at the soonest."""

SPACING = 0.1
"""Seconds between the times that are given to two refused clients, so that thousands do not come back together."""

LATEST = 600.0
"""Seconds after which a refused client may try again at the latest."""

logger = logging.getLogger(__name__)


class MonitorLimit:
    """
    Counts the open monitors of one process. Not thread-safe: it belongs to one event loop.

    Monitors of ended trainings are counted apart. They close as soon as the log is sent, so that what a training
    wrote can be had at its end although others are followed for days.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open = {False: 0, True: 0}
        self._next = float("-inf")
        self._full = False

    @contextmanager
    def one_more(self, limit: int, *, ended: bool) -> Iterator[None]:
        """
        Count a monitor while it is open.

        :param ended: whether its training had ended when it was opened.
        :raises RateLimited: *limit* monitors of this kind are open. `retry_after` differs from client to client.
        """
        if self._open[ended] >= limit:
            if not self._full:
                logger.warning(
                    "%d monitors are open, as many as DLAAS_MONITOR_LIMIT allows; more are refused until some close",
                    self._open[ended],
                )
            self._full = True
            raise RateLimited(
                f"{limit} monitors are open, as many as this service allows (DLAAS_MONITOR_LIMIT): try again later, "
                "or read the log in pieces at /v3/models/{id}/log",
                retry_after=self._retry_after(),
            )
        self._full = False
        self._open[ended] += 1
        try:
            yield
        finally:
            self._open[ended] -= 1

    def _retry_after(self) -> float:
        now = self._clock()
        self._next = min(max(self._next, now + SOONEST) + SPACING, now + LATEST)
        return self._next - now
