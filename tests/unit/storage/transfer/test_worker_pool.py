"""The worker pool and its progress."""

from __future__ import annotations

import threading

import pytest

from airflow_dlaas.exceptions import StoreFull
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, TransferAborted, WorkerPool, WorkItem


def make_pool(threads: int = 4) -> WorkerPool:
    return WorkerPool(ProgressTracker(0, 0, None), threads)


def test_pool_runs_every_work_item_once() -> None:
    done: list[int] = []
    pool = make_pool()
    pool.add([lambda number=number: done.append(number) for number in range(500)])
    pool.run()
    assert sorted(done) == list(range(500))


def test_pool_without_work_items_returns() -> None:
    make_pool().run()


def test_added_work_items_run_before_waiting_ones() -> None:
    done: list[str] = []
    pool = make_pool(1)

    def first() -> None:
        pool.add([lambda: done.append("first, part 1"), lambda: done.append("first, part 2")])

    pool.add([first, lambda: done.append("second")])
    pool.run()
    assert done == ["first, part 1", "first, part 2", "second"]


def test_pool_can_run_again() -> None:
    done: list[int] = []
    pool = make_pool()
    for number in range(3):
        pool.add([lambda number=number: done.append(number)])
        pool.run()
    assert done == [0, 1, 2]


def test_first_failure_ends_the_pool_and_stops_running_items_at_their_next_step() -> None:
    tracker = ProgressTracker(0, 0, None)
    pool = WorkerPool(tracker, 2)
    is_running = threading.Event()

    def fails() -> None:
        is_running.wait(30)
        raise StoreFull("full")

    def runs_on() -> None:
        is_running.set()
        while True:
            tracker.advance(1)

    executed: list[int] = []
    items: list[WorkItem] = [fails, runs_on, lambda: executed.append(1)]
    pool.add(items)
    with pytest.raises(StoreFull, match="full"):
        pool.run()
    assert not executed


def test_aborted_tracker_accepts_negative_counts_only() -> None:
    tracker = ProgressTracker(10, 1, None)
    tracker.is_aborted = True
    tracker.advance(-3)
    with pytest.raises(TransferAborted):
        tracker.advance(3)
