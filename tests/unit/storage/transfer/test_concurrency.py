"""The number of threads of a transfer."""

from __future__ import annotations

from airflow_dlaas.storage.transfer.concurrency import (
    INITIAL_THREADS,
    MAX_THREADS,
    MEASURE_INTERVAL,
    AdaptiveConcurrency,
)


def threads_per_interval(concurrency: AdaptiveConcurrency, speed_of: dict[int, float]) -> list[int]:
    """Measure until the number of threads is final, with a speed for each number; return the number per interval."""
    now = work = 0.0
    counts = []
    concurrency.update(now, work)
    while concurrency.update_interval is not None and len(counts) < 20:
        counts.append(concurrency.threads)
        now += MEASURE_INTERVAL
        work += speed_of.get(concurrency.threads, max(speed_of.values()))
        concurrency.update(now, work)
    return counts


def test_fixed_number_of_threads_does_not_change() -> None:
    concurrency = AdaptiveConcurrency(3)
    concurrency.update(0, 0)
    concurrency.update(10, 1000)
    assert concurrency.threads == 3
    assert concurrency.update_interval is None


def test_threads_are_doubled_while_the_speed_increases() -> None:
    concurrency = AdaptiveConcurrency()
    assert threads_per_interval(concurrency, {8: 100, 16: 200, 32: 400, 64: 800}) == [8, 16, 32, 64]
    assert concurrency.threads == MAX_THREADS


def test_doubling_without_a_speedup_is_taken_back() -> None:
    concurrency = AdaptiveConcurrency()
    threads_per_interval(concurrency, {8: 100, 16: 105})
    assert concurrency.threads == INITIAL_THREADS


def test_update_before_the_end_of_the_interval_changes_nothing() -> None:
    concurrency = AdaptiveConcurrency()
    concurrency.update(0, 0)
    concurrency.update(MEASURE_INTERVAL / 2, 1000)
    assert concurrency.threads == INITIAL_THREADS
