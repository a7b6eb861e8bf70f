"""How many monitors may be open at a time, and when those that are refused may come again."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_dlaas.exceptions import RateLimited

SOONEST = 10.0
"""Seconds after which a refused client may try again at the soonest."""

SPACING = 0.1
"""Seconds between the times that are given to two refused clients, of one user, so that thousands do not come back
together."""

LATEST = 600.0
"""Seconds after which a refused client may try again at the latest."""

logger = logging.getLogger(__name__)


def share(limit: int, *, taken_by_others: int) -> int:
    """
    Return how many of *limit* places one user may have: nine tenths of those that other users leave, but at least one.

    So the only user of a service can use nearly all, and a user who has none gets one, however many another user asks
    for, unless the limit is 1 or many users share it.
    """
    return max(1, (limit - taken_by_others) * 9 // 10)


class MonitorLimit:
    """
    Counts the open monitors of one process, and those of each user. Not thread-safe: it belongs to one event loop.

    Monitors of ended trainings are counted apart. They close as soon as the log is sent, so that what a training
    wrote can be had at its end although others are followed for days.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        self._next: dict[str, float] = {}
        self._full = False
        self._users_at_their_share: set[str] = set()

    @contextmanager
    def one_more(self, user: str, limit: int, *, ended: bool) -> Iterator[None]:
        """
        Count a monitor of *user* while it is open.

        :param limit: how many of this kind may be open, of all users together.
        :param ended: whether its training had ended when it was opened.
        :raises RateLimited: *limit* monitors of this kind are open, or the user has a `share` of them. `retry_after`
            differs from client to client of a user.
        """
        opened = self._open[ended]
        self._require_place(user, limit, opened)
        opened[user] += 1
        try:
            yield
        finally:
            opened[user] -= 1
            if not opened[user]:
                del opened[user]

    def _require_place(self, user: str, limit: int, opened: Counter[str]) -> None:
        total, mine = opened.total(), opened[user]
        if total >= limit:
            if not self._full:
                logger.warning(
                    "%d monitors are open, as many as DLAAS_MONITOR_LIMIT allows; more are refused until some close",
                    total,
                )
            self._full = True
            raise self._refused(
                user, f"{limit} monitors are open, as many as this service allows (DLAAS_MONITOR_LIMIT)"
            )
        self._full = False
        if mine >= share(limit, taken_by_others=total - mine):
            why = f"nine tenths of the places that other users leave (DLAAS_MONITOR_LIMIT is {limit})"
            if user not in self._users_at_their_share:
                logger.warning("User %s has %d monitors open, %s; more are refused until some close", user, mine, why)
            self._users_at_their_share.add(user)
            raise self._refused(user, f"{mine} monitors of this user are open, {why}")
        self._users_at_their_share.discard(user)

    def _refused(self, user: str, why: str) -> RateLimited:
        now = self._clock()
        then = min(max(self._next.get(user, now), now + SOONEST) + SPACING, now + LATEST)
        self._next[user] = then
        return RateLimited(
            f"{why}: try again later, or read the log in pieces at /v3/models/{{id}}/log", retry_after=then - now
        )
