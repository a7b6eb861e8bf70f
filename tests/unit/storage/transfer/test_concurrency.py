"""How many threads a transfer takes on."""

from __future__ import annotations

from airflow_dlaas.storage.transfer.concurrency import FIRST, MOST, PERIOD, Pace


def told(pace: Pace, speed_of: dict[int, float]) -> list[int]:
    """Let time pass, at a speed that depends on the threads; how many there were in each period."""
    now = work = 0.0
    seen = []
    pace.note(now, work)
    while pace.look_again is not None and len(seen) < 20:
        seen.append(pace.threads)
        now += PERIOD
        work += speed_of.get(pace.threads, max(speed_of.values()))
        pace.note(now, work)
    return seen


def test_a_given_number_is_kept() -> None:
    pace = Pace(3)
    pace.note(0, 0)
    pace.note(10, 1000)
    assert pace.threads == 3
    assert pace.look_again is None


def test_more_threads_are_taken_on_while_that_makes_it_quicker() -> None:
    pace = Pace()
    assert told(pace, {8: 100, 16: 200, 32: 400, 64: 800}) == [8, 16, 32, 64]
    assert pace.threads == MOST


def test_what_did_not_pay_is_taken_back() -> None:
    pace = Pace()
    told(pace, {8: 100, 16: 105})
    assert pace.threads == FIRST


def test_a_look_that_comes_early_decides_nothing() -> None:
    pace = Pace()
    pace.note(0, 0)
    pace.note(PERIOD / 2, 1000)
    assert pace.threads == FIRST
