"""Which training a try is about: the whole table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_dlaas.contract.training import Training
from airflow_dlaas.hooks.choice import choose
from airflow_dlaas.hooks.tag import Tag
from tests.builders import a_training

TAG = Tag("a" * 32, "b" * 12)
CLEARED = replace(TAG, generation="c" * 12)


def training(state: str = "running", *, id: str = "training-1", later: float = 0, **status: Any) -> Training:
    made = a_training(state, **status)
    created = made.metadata.created_at + timedelta(seconds=later)
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"guid": id, "created_at": created})})


def chosen(found: list[tuple[Tag, Training]], *, try_number: int = 2, retry_failed: bool = True) -> Any:
    return choose(TAG, found, try_number=try_number, retry_failed=retry_failed)


def test_where_there_is_none_one_is_made_under_the_first_tag() -> None:
    choice = chosen([])
    assert (choice.tag, choice.known, choice.superseded) == (TAG, None, ())


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_what_a_crash_has_left_is_taken_up(state: str) -> None:
    there = training(state)
    assert chosen([(TAG, there)]).known is there


@pytest.mark.parametrize("state", ["error", "canceled"])
def test_after_one_that_ended_badly_the_next_try_trains_anew(state: str) -> None:
    choice = chosen([(TAG, training(state))])
    assert (choice.tag, choice.known) == (TAG.next, None)


def test_one_that_was_asked_to_stop_counts_as_ended() -> None:
    choice = chosen([(TAG, training("running", cancel_requested=True))])
    assert (choice.tag, choice.known) == (TAG.next, None)


def test_within_one_try_a_failed_training_is_not_repeated() -> None:
    """A triggerer that takes up the task anew learns how its training ended meanwhile."""
    there = training("error")
    assert chosen([(TAG, there)], try_number=1).known is there
    again = training("error", id="training-2")
    assert chosen([(TAG, there), (TAG.next, again)], try_number=2).known is again


def test_the_third_try_trains_for_the_third_time() -> None:
    found = [(TAG, training("error")), (TAG.next, training("error", id="training-2"))]
    assert chosen(found, try_number=3).tag == TAG.next.next


def test_the_author_can_choose_that_a_failure_is_final() -> None:
    there = training("error")
    assert chosen([(TAG, there)], retry_failed=False).known is there


def test_a_clear_trains_anew_and_ends_what_was_left_running() -> None:
    left, over = training("running"), training("completed", id="training-2")
    choice = choose(CLEARED, [(TAG, left), (TAG.next, over)], try_number=2, retry_failed=True)
    assert (choice.tag, choice.known, choice.superseded) == (CLEARED, None, (left,))


def test_of_two_that_raced_into_being_the_earlier_one_is_ours() -> None:
    early, late = training(id="training-2"), training(id="training-1", later=1)
    assert chosen([(TAG, late), (TAG, early)]).known is early
