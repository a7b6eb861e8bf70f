"""Which training a try is about: the whole table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.resolve import ResolvedTraining, resolve_training
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry
from tests.builders import a_training

TAG = RunKey("a" * 32, "b" * 12, airflow_digest="c" * 16, acknowledges=True)
CLEARED = replace(TAG, generation="c" * 12, clear_number=1)
MOMENT = "2026-11-23T03:00:00.000Z"


def training(state: str = "running", *, id: str = "training-1", later: float = 0, **status: Any) -> Training:
    made = a_training(state, **status)
    created = made.metadata.created_at + timedelta(seconds=later)
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"guid": id, "created_at": created})})


def chosen(found: list[tuple[RunKey, Training]], *, try_number: int = 2, retry_failed: bool = True) -> Any:
    return resolve_training(TAG, found, current_try=TaskTry(try_number), retry_failed=retry_failed)


def after_clear(found: list[tuple[RunKey, Training]], first: RunKey = CLEARED) -> ResolvedTraining:
    return resolve_training(first, found, current_try=TaskTry(2, 2), retry_failed=True)


def test_where_there_is_none_one_is_made_under_the_first_tag() -> None:
    assert chosen([]) == ResolvedTraining(TAG, None)


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_what_a_crash_has_left_is_taken_up(state: str) -> None:
    there = training(state)
    assert chosen([(TAG, there)]).existing is there


@pytest.mark.parametrize("state", ["error", "canceled"])
def test_after_one_that_ended_badly_the_next_try_trains_anew(state: str) -> None:
    choice = chosen([(TAG, training(state))])
    assert (choice.run_key, choice.existing) == (TAG.next_attempt, None)


def test_one_that_was_asked_to_stop_counts_as_ended() -> None:
    choice = chosen([(TAG, training("running", cancel_requested=True))])
    assert (choice.run_key, choice.existing) == (TAG.next_attempt, None)


def test_within_one_try_a_failed_training_is_not_repeated() -> None:
    """A triggerer that takes up the task anew learns how its training ended meanwhile."""
    there = training("error")
    assert chosen([(TAG, there)], try_number=1).existing is there
    again = training("error", id="training-2")
    assert chosen([(TAG, there), (TAG.next_attempt, again)], try_number=2).existing is again


def test_the_third_try_trains_for_the_third_time() -> None:
    found = [(TAG, training("error")), (TAG.next_attempt, training("error", id="training-2"))]
    assert chosen(found, try_number=3).run_key == TAG.next_attempt.next_attempt


def test_the_author_can_choose_that_a_failure_is_final() -> None:
    there = training("error")
    assert chosen([(TAG, there)], retry_failed=False).existing is there


def test_a_clear_trains_anew_and_ends_what_was_left_running() -> None:
    left, over = training("running"), training("error", id="training-2")
    assert after_clear([(TAG, left), (TAG.next_attempt, over)]) == ResolvedTraining(CLEARED, None, (left,))


def test_of_two_that_raced_into_being_the_earlier_one_is_ours() -> None:
    early, late = training(id="training-2"), training(id="training-1", later=1)
    assert chosen([(TAG, late), (TAG, early)]).existing is early


# -- two Airflows that share a service's user ---------------------------------

OTHER = "d" * 16


@pytest.mark.parametrize("state", ["running", "completed", "error"])
@pytest.mark.parametrize("generation", [TAG.generation, "e" * 12])
def test_a_training_of_another_airflow_is_neither_taken_up_nor_canceled(state: str, generation: str) -> None:
    theirs = replace(TAG, airflow_digest=OTHER, generation=generation)
    assert chosen([(theirs, training(state))]) == ResolvedTraining(TAG, None)


@pytest.mark.parametrize(("ours", "theirs"), [(None, OTHER), (OTHER, None), (None, None)])
@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_where_either_airflow_is_unknown_another_generation_s_training_is_left_alone(
    ours: str | None, theirs: str | None, state: str
) -> None:
    found = [(replace(TAG, airflow_digest=theirs), training(state))]
    first = replace(CLEARED, airflow_digest=ours)
    assert after_clear(found, first) == ResolvedTraining(first, None)


@pytest.mark.parametrize(("ours", "theirs"), [(None, OTHER), (OTHER, None), (None, None)])
def test_where_either_airflow_is_unknown_a_training_of_this_very_generation_is_taken_up(
    ours: str | None, theirs: str | None
) -> None:
    """Its digest holds the microsecond in which the run began."""
    there = training("running")
    choice = resolve_training(
        replace(TAG, airflow_digest=ours),
        [(replace(TAG, airflow_digest=theirs), there)],
        current_try=TaskTry(2),
        retry_failed=True,
    )
    assert choice.existing is there


# -- the earlier form ----------------------------------------------------------

FORM_1 = RunKey("f" * 32, TAG.generation, version=1)


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_a_training_submitted_under_the_earlier_form_is_taken_up_under_its_own_key(state: str) -> None:
    there = training(state)
    choice = chosen([(FORM_1, there)])
    assert (choice.run_key, choice.existing) == (FORM_1, there)


def test_after_one_of_the_earlier_form_that_ended_badly_the_next_one_is_counted_on() -> None:
    assert chosen([(FORM_1, training("error"))]).run_key == FORM_1.next_attempt


def test_of_another_generation_one_of_the_earlier_form_is_left_alone() -> None:
    """It does not say which Airflow it is of."""
    assert after_clear([(FORM_1, training("running"))]) == ResolvedTraining(CLEARED, None)


# -- completed, and its task never succeeded -----------------------------------


def test_what_completed_without_its_task_succeeding_may_be_taken_up_after_a_clear() -> None:
    there = training("completed")
    assert after_clear([(TAG, there)]) == ResolvedTraining(CLEARED, None, (), (TAG, there))


def test_of_several_it_is_the_newest() -> None:
    early, late = training("completed"), training("completed", id="training-2", later=5)
    assert after_clear([(TAG, late), (replace(TAG, generation="e" * 12), early)]).reuse_candidate == (TAG, late)


def test_what_was_acknowledged_is_not() -> None:
    assert after_clear([(TAG, training("completed", acknowledged_at=MOMENT))]) == ResolvedTraining(CLEARED, None)


def test_nor_is_one_of_a_task_that_succeeded_with_another() -> None:
    found = [
        (TAG, training("completed")),
        (replace(TAG, generation="e" * 12), training("completed", id="training-2", acknowledged_at=MOMENT)),
    ]
    assert after_clear(found).reuse_candidate is None


def test_nor_is_one_whose_task_acknowledges_nothing() -> None:
    """A task that only submits has succeeded long before; and a service may have learned to keep it later."""
    assert after_clear([(replace(TAG, acknowledges=False), training("completed"))]) == ResolvedTraining(CLEARED, None)


def test_nor_is_one_beside_a_training_of_this_generation() -> None:
    mine = training("running", id="training-2")
    choice = after_clear([(TAG, training("completed")), (CLEARED, mine)])
    assert (choice.existing, choice.reuse_candidate) == (mine, None)


# -- Airflow's arithmetic ------------------------------------------------------


@dataclass
class Instance:
    """A task instance, its tries and clears counted as Airflow 3.3 does (`clear_task_instances`, `schedule_tis`)."""

    retries: int
    max_tries: int = 0
    try_number: int = 0
    clears: int = 0
    start: datetime = datetime(2026, 3, 1, 2, tzinfo=timezone.utc)

    def __post_init__(self) -> None:
        self.max_tries = self.retries

    def run(self) -> None:
        self.try_number += 1

    def clear(self) -> None:
        self.max_tries = self.try_number + self.retries
        self.clears += 1

    def clear_while_it_runs_on_a_worker(self) -> None:
        self.clears += 1  # it becomes RESTARTING, and is retried however many tries are left

    def clear_another_task(self) -> None:
        self.clears += 1

    def clear_of_a_run_that_has_ended(self) -> None:
        self.clear()
        self.start += timedelta(hours=1)

    def context(self) -> Any:
        ti = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": 7}
        return {
            "ti": SimpleNamespace(**ti, max_tries=self.max_tries, try_number=self.try_number),
            "dag_run": SimpleNamespace(start_date=self.start, run_after=self.start, clear_number=self.clears),
            "task": SimpleNamespace(retries=self.retries),
        }

    def tag(self) -> RunKey:
        return RunKey.from_context(self.context(), airflow_id="here", acknowledges=True)

    def chooses(self, tag: RunKey, there: Training) -> ResolvedTraining:
        return resolve_training(
            self.tag(), [(tag, there)], current_try=TaskTry.from_context(self.context()), retry_failed=True
        )


def submitted(retries: int, tries: int = 1) -> tuple[Instance, RunKey]:
    """A task that has submitted a training in the last of so many tries."""
    task = Instance(retries)
    for _ in range(tries):
        task.run()
    return task, task.tag()


@pytest.mark.parametrize(
    ("before", "tries"), [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (5, 1), (5, 2), (5, 3), (5, 6)]
)
@pytest.mark.parametrize("now", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("how", ["clear", "clear_of_a_run_that_has_ended"])
def test_a_clear_is_recognised_whatever_became_of_retries(before: int, now: int, tries: int, how: str) -> None:
    """Before it, some tries were made; `retries` was raised, lowered or left alone when it came."""
    task, tag = submitted(before, tries)
    task.retries = now
    getattr(task, how)()
    task.run()
    left = training("running")
    assert task.chooses(tag, left) == ResolvedTraining(task.tag(), None, (left,))
    task.run()
    assert task.chooses(tag, left).existing is None


@pytest.mark.parametrize(("before", "now"), [(1, 1), (1, 2), (2, 2), (2, 5), (5, 5)])
def test_a_clear_of_another_task_or_of_a_mapped_sibling_is_none_of_this_one(before: int, now: int) -> None:
    task, tag = submitted(before)
    task.retries = now
    task.clear_another_task()
    task.run()
    there = training("running")
    assert task.chooses(tag, there) == ResolvedTraining(tag, there)


def test_lowering_retries_alone_is_no_clear() -> None:
    task, tag = submitted(5)
    task.retries = 1
    task.run()
    there = training("running")
    assert task.chooses(tag, there) == ResolvedTraining(tag, there)


def test_lowering_retries_and_the_clear_of_another_task_are_not_taken_for_a_clear_of_this_one() -> None:
    task, tag = submitted(5)
    task.retries = 1
    task.clear_another_task()
    task.run()
    there = training("running")
    assert task.chooses(tag, there) == ResolvedTraining(tag, there)


def test_a_clear_while_it_runs_on_a_worker_is_a_retry() -> None:
    """Airflow keeps `max_tries`; the worker is killed and cancels its training, and the next try trains anew."""
    task, tag = submitted(0)
    task.clear_while_it_runs_on_a_worker()
    task.run()
    assert task.chooses(tag, training("canceled")).run_key == tag.next_attempt


def test_an_acknowledged_training_is_not_taken_up_after_a_clear_that_nothing_else_shows() -> None:
    """`retries` was lowered at the clear and raised again before the task ran."""
    task, tag = submitted(3)
    task.retries = 2
    task.clear()
    task.retries = 3
    task.run()
    assert task.tag().generation == tag.generation
    done = training("completed", acknowledged_at=MOMENT)
    assert task.chooses(tag, done) == ResolvedTraining(task.tag(), None)
    assert task.tag().idempotency_key != tag.idempotency_key


def test_a_retry_after_the_acknowledgement_takes_the_training_up() -> None:
    """The worker died between the two."""
    task, tag = submitted(3)
    task.run()
    done = training("completed", acknowledged_at=MOMENT)
    assert task.chooses(tag, done) == ResolvedTraining(tag, done)
