"""How many monitors may be open at a time, and when those that are refused may come again."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_dlaas.exceptions import RateLimited

MIN_RETRY_AFTER = 10.0
"""Seconds after which a refused client may try again at the soonest."""

RETRY_SPACING = 0.1
"""Seconds between the times that are given to two refused clients, of one user, so that thousands do not come back
together."""

MAX_RETRY_AFTER = 600.0
"""Seconds after which a refused client may try again at the latest."""

logger = logging.getLogger(__name__)


def user_share(limit: int, *, used_by_others: int) -> int:
    """
    Return how many of *limit* places one user may have: nine tenths of those that other users leave, but at least one.

    So the only user of a service can use nearly all, and a user who has none gets one, however many another user asks
    for, unless the limit is 1 or many users share it.
    """
    return max(1, (limit - used_by_others) * 9 // 10)


class LogStreamLimit:
    """
    Counts the open monitors of one process, and those of each user. Not thread-safe: it belongs to one event loop.

    Monitors of ended trainings are counted apart. They close as soon as the log is sent, so that what a training
    wrote can be had at its end although others are followed for days.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open_counts: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
        self._next_retry: dict[str, float] = {}
        self._is_full = False
        self._users_at_their_share: set[str] = set()

    @contextmanager
    def acquire(self, user: str, limit: int, *, ended: bool) -> Iterator[None]:
        """
        Count a monitor of *user* while it is open.

        :param limit: how many of this kind may be open, of all users together.
        :param ended: whether its training had ended when it was opened.
        :raises RateLimited: *limit* monitors of this kind are open, or the user has a `user_share` of them. `retry_after`
            differs from client to client of a user.
        """
        opened = self._open_counts[ended]
        self._require_capacity(user, limit, opened)
        opened[user] += 1
        try:
            yield
        finally:
            opened[user] -= 1
            if not opened[user]:
                del opened[user]

    def _require_capacity(self, user: str, limit: int, open_counts: Counter[str]) -> None:
        total, mine = open_counts.total(), open_counts[user]
        if total >= limit:
            if not self._is_full:
                logger.warning(
                    "%d monitors are open, as many as DLAAS_MONITOR_LIMIT allows; more are refused until some close",
                    total,
                )
            self._is_full = True
            raise self._rate_limited(
                user, f"{limit} monitors are open, as many as this service allows (DLAAS_MONITOR_LIMIT)"
            )
        self._is_full = False
        if mine >= user_share(limit, used_by_others=total - mine):
            why = f"nine tenths of the places that other users leave (DLAAS_MONITOR_LIMIT is {limit})"
            if user not in self._users_at_their_share:
                logger.warning("User %s has %d monitors open, %s; more are refused until some close", user, mine, why)
            self._users_at_their_share.add(user)
            raise self._rate_limited(user, f"{mine} monitors of this user are open, {why}")
        self._users_at_their_share.discard(user)

    def _rate_limited(self, user: str, reason: str) -> RateLimited:
        now = self._clock()
        then = min(max(self._next_retry.get(user, now), now + MIN_RETRY_AFTER) + RETRY_SPACING, now + MAX_RETRY_AFTER)
        self._next_retry[user] = then
        return RateLimited(
            f"{reason}: try again later, or read the log in pieces at /v3/models/{{id}}/log", retry_after=then - now
        )
