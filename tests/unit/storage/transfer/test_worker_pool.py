"""Doing many things at a time."""

from __future__ import annotations

import threading

import pytest

from airflow_dlaas.exceptions import StoreFull
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, TransferAborted, WorkerPool, WorkItem


def crew(threads: int = 4) -> WorkerPool:
    return WorkerPool(ProgressTracker(0, 0, None), threads)


def test_every_job_is_done_once() -> None:
    done: list[int] = []
    hands = crew()
    hands.add([lambda number=number: done.append(number) for number in range(500)])
    hands.run()
    assert sorted(done) == list(range(500))


def test_a_crew_with_nothing_to_do_is_done() -> None:
    crew().run()


def test_what_a_job_adds_is_done_before_what_waits() -> None:
    done: list[str] = []
    hands = crew(1)

    def first() -> None:
        hands.add([lambda: done.append("first, part 1"), lambda: done.append("first, part 2")])

    hands.add([first, lambda: done.append("second")])
    hands.run()
    assert done == ["first, part 1", "first, part 2", "second"]


def test_a_crew_can_be_sent_again() -> None:
    done: list[int] = []
    hands = crew()
    for number in range(3):
        hands.add([lambda number=number: done.append(number)])
        hands.run()
    assert done == [0, 1, 2]


def test_the_first_failure_ends_it_and_those_at_work_stop_at_their_next_piece() -> None:
    tally = ProgressTracker(0, 0, None)
    hands = WorkerPool(tally, 2)
    at_work = threading.Event()

    def fails() -> None:
        at_work.wait(30)
        raise StoreFull("full")

    def goes_on() -> None:
        at_work.set()
        while True:
            tally.advance(1)

    never: list[int] = []
    jobs: list[WorkItem] = [fails, goes_on, lambda: never.append(1)]
    hands.add(jobs)
    with pytest.raises(StoreFull, match="full"):
        hands.run()
    assert not never


def test_taking_back_is_possible_when_all_is_over() -> None:
    tally = ProgressTracker(10, 1, None)
    tally.is_aborted = True
    tally.advance(-3)
    with pytest.raises(TransferAborted):
        tally.advance(3)
