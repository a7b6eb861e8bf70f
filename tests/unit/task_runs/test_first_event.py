"""The delay of a trigger's first event."""

from __future__ import annotations

import pytest

from airflow_dlaas.task_runs.first_event import FIRST_EVENT_DELAY, first_event_delay

DEFERRED = 1_800_000_000.0


@pytest.mark.parametrize(
    ("now", "pause"),
    [
        (DEFERRED, FIRST_EVENT_DELAY),
        (DEFERRED + 2, FIRST_EVENT_DELAY - 2),
        (DEFERRED + FIRST_EVENT_DELAY, 0),
        (DEFERRED + 3600, 0),
        (DEFERRED - 3600, FIRST_EVENT_DELAY),  # the triggerer's clock is behind the worker's
    ],
)
def test_first_event_waits_until_the_delay_after_the_deferral(now: float, pause: float) -> None:
    assert first_event_delay(DEFERRED, now) == pytest.approx(pause)


def test_first_event_of_a_trigger_stored_without_deferred_at_does_not_wait() -> None:
    assert first_event_delay(None, DEFERRED) == 0
