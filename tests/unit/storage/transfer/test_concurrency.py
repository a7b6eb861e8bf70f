"""How many threads a transfer takes on."""

from __future__ import annotations

from airflow_dlaas.storage.transfer.concurrency import (
    INITIAL_THREADS,
    MAX_THREADS,
    MEASURE_INTERVAL,
    AdaptiveConcurrency,
)


def told(pace: AdaptiveConcurrency, speed_of: dict[int, float]) -> list[int]:
    """Let time pass, at a speed that depends on the threads; how many there were in each period."""
    now = work = 0.0
    seen = []
    pace.update(now, work)
    while pace.update_interval is not None and len(seen) < 20:
        seen.append(pace.threads)
        now += MEASURE_INTERVAL
        work += speed_of.get(pace.threads, max(speed_of.values()))
        pace.update(now, work)
    return seen


def test_a_given_number_is_kept() -> None:
    pace = AdaptiveConcurrency(3)
    pace.update(0, 0)
    pace.update(10, 1000)
    assert pace.threads == 3
    assert pace.update_interval is None


def test_more_threads_are_taken_on_while_that_makes_it_quicker() -> None:
    pace = AdaptiveConcurrency()
    assert told(pace, {8: 100, 16: 200, 32: 400, 64: 800}) == [8, 16, 32, 64]
    assert pace.threads == MAX_THREADS


def test_what_did_not_pay_is_taken_back() -> None:
    pace = AdaptiveConcurrency()
    told(pace, {8: 100, 16: 105})
    assert pace.threads == INITIAL_THREADS


def test_a_look_that_comes_early_decides_nothing() -> None:
    pace = AdaptiveConcurrency()
    pace.update(0, 0)
    pace.update(MEASURE_INTERVAL / 2, 1000)
    assert pace.threads == INITIAL_THREADS
