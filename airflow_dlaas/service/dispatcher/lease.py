"""The dispatcher's lease: of several services with one store, only the holder acts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from airflow_dlaas.service.clock import utc_now
from airflow_dlaas.service.store.base import Store

log = logging.getLogger(__name__)

LEASE_ROLE = "dispatcher"

LEASE_DURATION = timedelta(seconds=10)
"""How long another service waits after the holder died before it takes over. The holder measures by `uptime`, other
services by the date: if the date jumps, two of them may act for a moment. Every method of the store permits that."""


def uptime() -> float:
    """Return the seconds of a monotonic clock, which goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class DispatcherLease:
    """
    The lease on the role `LEASE_ROLE`, as one service sees it. Not thread-safe.

    *holder* names the service. Its name is the same after a restart, so that the service need not wait for a lease of
    its own, which it left when it was killed.
    """

    def __init__(
        self,
        store: Store,
        holder: str,
        clock: Callable[[], datetime] = utc_now,
        monotonic_clock: Callable[[], float] = uptime,
    ) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._monotonic_clock = monotonic_clock
        self._renewed_at: float | None = None
        """When this service last acquired the lease, by the monotonic clock; None while another service may hold it."""

    def acquire(self) -> bool:
        """
        Acquire or keep the lease; return whether this service holds it.

        It is renewed after half of its duration: each renewal writes to the disk.
        """
        return self._acquire(*self._read_clocks())

    def renew(self) -> bool:
        """
        Return whether the service may still act on what it observed earlier in this round; renew the lease if needed.

        A lease that expired during the round is lost, even if no other service acquired it: the process or the machine
        was suspended, and the observations are old.
        """
        monotonic_now, now = self._read_clocks()
        if self._renewed_at is None or monotonic_now - self._renewed_at >= LEASE_DURATION.total_seconds():
            self._renewed_at = None
            return False
        return self._acquire(monotonic_now, now)

    def release(self) -> None:
        """Release the lease if this service holds it. A failure is logged; the lease then expires by itself."""
        if self._renewed_at is None:
            return
        now = self._clock()
        try:
            self._store.acquire_lease(LEASE_ROLE, self._holder, now, now)
        except Exception as error:
            log.warning(
                "Releasing the dispatcher's lease failed (%s); it expires within %s",
                error,
                LEASE_DURATION,
                exc_info=True,
            )

    def _read_clocks(self) -> tuple[float, datetime]:
        # First the monotonic clock: a process that is suspended between the two reads must not count on a longer lease.
        return self._monotonic_clock(), self._clock()

    def _acquire(self, monotonic_now: float, now: datetime) -> bool:
        if self._renewed_at is None or monotonic_now - self._renewed_at >= LEASE_DURATION.total_seconds() / 2:
            is_acquired = self._store.acquire_lease(LEASE_ROLE, self._holder, now, now + LEASE_DURATION)
            self._renewed_at = monotonic_now if is_acquired else None
        return self._renewed_at is not None
