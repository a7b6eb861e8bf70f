"""When a trigger may fire its first event."""

from __future__ import annotations

import asyncio
import time

FIRST_EVENT_DELAY = 10.0
"""
Seconds after the deferral before which no trigger fires.

Airflow's scheduler learns of a deferral twice: from the new state of the task instance, and a moment later from the end
of the worker's process. An event in between moves the task instance to *scheduled* and then to *queued* or *running*.
The scheduler then takes the end of the process for an end without a state, and fails the task (apache/airflow#66374).
The scheduler reads the ends of processes once in each of its loops, which take about a second under low load. On two
processors with twenty tasks at once, it read the end of a process 6 s after the deferral; 10 s leave a margin.
"""


def first_event_delay(deferred_at: float | None, now: float) -> float:
    """
    Return the seconds that a trigger waits before its first event.

    :param deferred_at: when the task was deferred, in seconds since the epoch on the worker's clock. None for a
        trigger that an earlier version stored, which did not record the time; such a trigger does not wait.
    :param now: the current time on the triggerer's clock. If the clocks differ, the pause is still at most
        `FIRST_EVENT_DELAY`.
    """
    if deferred_at is None:
        return 0.0
    return min(FIRST_EVENT_DELAY, max(0.0, deferred_at + FIRST_EVENT_DELAY - now))


async def wait_before_first_event(deferred_at: float | None) -> None:
    """Wait until a trigger may fire its first event; see `first_event_delay`."""
    pause = first_event_delay(deferred_at, time.time())
    if pause > 0:
        await asyncio.sleep(pause)
