"""The limit of open log streams, per process and per user, and the retry time of refused clients."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_dlaas.exceptions import RateLimited

MIN_RETRY_AFTER = 10.0
"""The shortest Retry-After of a refused client, in seconds."""

RETRY_SPACING = 0.1
"""Seconds between the retry times of two refused clients of one user, so that thousands do not retry together."""

MAX_RETRY_AFTER = 600.0
"""The longest Retry-After of a refused client, in seconds."""

logger = logging.getLogger(__name__)


def user_share(limit: int, *, used_by_others: int) -> int:
    """
    Return how many of *limit* log streams one user may open: nine tenths of those that other users leave, at least one.

    So the only user of a service can open nearly all of them, and a user without a log stream gets one however many
    another user requests, unless the limit is 1 or many users share it.
    """
    return max(1, (limit - used_by_others) * 9 // 10)


class LogStreamLimit:
    """
    Counts the open log streams of one process and of each user. Not thread-safe: used from one event loop only.

    Log streams of ended trainings have a count of their own. They close as soon as the log has been sent, so the log of
    an ended training is available although log streams of running trainings stay open for days.
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
        Count a log stream of *user* during the block.

        :param limit: log streams of this kind that may be open, of all users together.
        :param ended: whether the training had ended when the log stream was opened; the two kinds have separate limits.
        :raises RateLimited: *limit* log streams of this kind are open, or the user has their `user_share`. Each client
            of a user gets a different `retry_after`.
        """
        open_counts = self._open_counts[ended]
        self._require_capacity(user, limit, open_counts)
        open_counts[user] += 1
        try:
            yield
        finally:
            open_counts[user] -= 1
            if not open_counts[user]:
                del open_counts[user]

    def _require_capacity(self, user: str, limit: int, open_counts: Counter[str]) -> None:
        total, used_by_user = open_counts.total(), open_counts[user]
        if total >= limit:
            if not self._is_full:
                logger.warning(
                    "%d log streams are open, the limit of DLAAS_MONITOR_LIMIT; more are refused until some close",
                    total,
                )
            self._is_full = True
            raise self._rate_limited(
                user, f"{limit} log streams are open, the limit of this service (DLAAS_MONITOR_LIMIT)"
            )
        self._is_full = False
        if used_by_user >= user_share(limit, used_by_others=total - used_by_user):
            share = f"nine tenths of those that other users leave (DLAAS_MONITOR_LIMIT is {limit})"
            if user not in self._users_at_their_share:
                logger.warning(
                    "User %s has %d log streams open, %s; more are refused until some close", user, used_by_user, share
                )
            self._users_at_their_share.add(user)
            raise self._rate_limited(user, f"{used_by_user} log streams of this user are open, {share}")
        self._users_at_their_share.discard(user)

    def _rate_limited(self, user: str, reason: str) -> RateLimited:
        now = self._clock()
        earliest = max(self._next_retry.get(user, now), now + MIN_RETRY_AFTER)
        retry_at = self._next_retry[user] = min(earliest + RETRY_SPACING, now + MAX_RETRY_AFTER)
        return RateLimited(
            f"{reason}: retry later, or read the log in slices at /v3/models/{{id}}/log", retry_after=retry_at - now
        )
