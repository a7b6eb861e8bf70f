"""The training of a try, in all cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.resolve import ResolvedTraining, Resume, resolve_training
from airflow_dlaas.task_runs.run_key import RunKey, TaskTry
from tests.builders import a_training

FIRST_KEY = RunKey("a" * 32, "b" * 12, airflow_digest="c" * 16, acknowledges=True)
CLEARED = replace(FIRST_KEY, generation="c" * 12, clear_number=1)
MOMENT = "2026-11-23T03:00:00.000Z"


def training(state: str = "running", *, id: str = "training-1", later: float = 0, **status: Any) -> Training:
    made = a_training(state, **status)
    created = made.metadata.created_at + timedelta(seconds=later)
    return made.model_copy(update={"metadata": made.metadata.model_copy(update={"guid": id, "created_at": created})})


def resolve(
    found: list[tuple[RunKey, Training]], *, try_number: int = 2, retry_failed: bool = True, resume: Resume = False
) -> Any:
    return resolve_training(FIRST_KEY, found, current_try=TaskTry(try_number), retry_failed=retry_failed, resume=resume)


def after_clear(
    found: list[tuple[RunKey, Training]], first: RunKey = CLEARED, *, resume: Resume = False
) -> ResolvedTraining:
    return resolve_training(first, found, current_try=TaskTry(2, 2), retry_failed=True, resume=resume)


def test_without_a_training_the_first_key_is_used() -> None:
    assert resolve([]) == ResolvedTraining(FIRST_KEY, None)


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_a_try_attaches_to_the_training_of_a_crashed_try(state: str) -> None:
    existing = training(state)
    assert resolve([(FIRST_KEY, existing)]).existing is existing


@pytest.mark.parametrize("state", ["error", "canceled"])
def test_the_try_after_a_failed_or_canceled_training_trains_again(state: str) -> None:
    choice = resolve([(FIRST_KEY, training(state))])
    assert (choice.run_key, choice.existing) == (FIRST_KEY.next_training, None)


def test_a_training_with_a_cancel_request_counts_as_canceled() -> None:
    choice = resolve([(FIRST_KEY, training("running", cancel_requested=True))])
    assert (choice.run_key, choice.existing) == (FIRST_KEY.next_training, None)


def test_one_try_does_not_train_again_after_a_failed_training() -> None:
    """A triggerer that restarts the task's trigger reads how the training has ended."""
    existing = training("error")
    assert resolve([(FIRST_KEY, existing)], try_number=1).existing is existing
    again = training("error", id="training-2")
    assert resolve([(FIRST_KEY, existing), (FIRST_KEY.next_training, again)], try_number=2).existing is again


def test_the_third_try_creates_the_third_training() -> None:
    found = [(FIRST_KEY, training("error")), (FIRST_KEY.next_training, training("error", id="training-2"))]
    assert resolve(found, try_number=3).run_key == FIRST_KEY.next_training.next_training


def test_without_retry_failed_a_failure_is_final() -> None:
    existing = training("error")
    assert resolve([(FIRST_KEY, existing)], retry_failed=False).existing is existing


def test_after_a_clear_the_task_trains_again_and_the_running_training_is_superseded() -> None:
    left, over = training("running"), training("error", id="training-2")
    assert after_clear([(FIRST_KEY, left), (FIRST_KEY.next_training, over)]) == ResolvedTraining(CLEARED, None, (left,))


def test_of_two_trainings_with_one_key_the_earlier_one_counts() -> None:
    early, late = training(id="training-2"), training(id="training-1", later=1)
    assert resolve([(FIRST_KEY, late), (FIRST_KEY, early)]).existing is early


# -- two Airflows with one user of a service ----------------------------------

OTHER = "d" * 16


@pytest.mark.parametrize("state", ["running", "completed", "error"])
@pytest.mark.parametrize("generation", [FIRST_KEY.generation, "e" * 12])
def test_a_training_of_another_airflow_is_neither_used_nor_canceled(state: str, generation: str) -> None:
    theirs = replace(FIRST_KEY, airflow_digest=OTHER, generation=generation)
    assert resolve([(theirs, training(state))]) == ResolvedTraining(FIRST_KEY, None)


@pytest.mark.parametrize(("ours", "theirs"), [(None, OTHER), (OTHER, None), (None, None)])
@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_with_an_unknown_airflow_a_training_of_another_generation_is_neither_used_nor_canceled(
    ours: str | None, theirs: str | None, state: str
) -> None:
    found = [(replace(FIRST_KEY, airflow_digest=theirs), training(state))]
    first = replace(CLEARED, airflow_digest=ours)
    assert after_clear(found, first) == ResolvedTraining(first, None)


@pytest.mark.parametrize(("ours", "theirs"), [(None, OTHER), (OTHER, None), (None, None)])
def test_with_an_unknown_airflow_a_try_attaches_to_a_training_of_its_generation(
    ours: str | None, theirs: str | None
) -> None:
    """The digest of the generation includes the microsecond of the run's start."""
    existing = training("running")
    choice = resolve_training(
        replace(FIRST_KEY, airflow_digest=ours),
        [(replace(FIRST_KEY, airflow_digest=theirs), existing)],
        current_try=TaskTry(2),
        retry_failed=True,
    )
    assert choice.existing is existing


# -- keys of form 1 ------------------------------------------------------------

FORM_1 = RunKey("f" * 32, FIRST_KEY.generation, version=1)


@pytest.mark.parametrize("state", ["pending", "running", "completed"])
def test_a_try_attaches_to_a_training_with_a_key_of_form_1_and_keeps_that_key(state: str) -> None:
    existing = training(state)
    choice = resolve([(FORM_1, existing)])
    assert (choice.run_key, choice.existing) == (FORM_1, existing)


def test_after_a_failed_training_with_a_key_of_form_1_the_numbers_go_on() -> None:
    assert resolve([(FORM_1, training("error"))]).run_key == FORM_1.next_training


def test_a_key_of_form_1_of_another_generation_is_neither_used_nor_canceled() -> None:
    """It does not name its Airflow."""
    assert after_clear([(FORM_1, training("running"))]) == ResolvedTraining(CLEARED, None)


# -- completed trainings whose task never succeeded -----------------------------------


def test_a_completed_training_without_success_of_its_task_is_reused_after_a_clear() -> None:
    existing = training("completed")
    assert after_clear([(FIRST_KEY, existing)]) == ResolvedTraining(CLEARED, None, (), (FIRST_KEY, existing))


def test_of_several_reusable_trainings_the_newest_is_reused() -> None:
    early, late = training("completed"), training("completed", id="training-2", later=5)
    assert after_clear([(FIRST_KEY, late), (replace(FIRST_KEY, generation="e" * 12), early)]).reuse_candidate == (
        FIRST_KEY,
        late,
    )


def test_an_acknowledged_training_is_not_reused() -> None:
    assert after_clear([(FIRST_KEY, training("completed", acknowledged_at=MOMENT))]) == ResolvedTraining(CLEARED, None)


def test_no_training_of_a_task_that_succeeded_with_another_is_reused() -> None:
    found = [
        (FIRST_KEY, training("completed")),
        (replace(FIRST_KEY, generation="e" * 12), training("completed", id="training-2", acknowledged_at=MOMENT)),
    ]
    assert after_clear(found).reuse_candidate is None


def test_no_training_of_a_task_without_acknowledgements_is_reused() -> None:
    """A task that only submits succeeds long before; and a service may support acknowledgements only later."""
    assert after_clear([(replace(FIRST_KEY, acknowledges=False), training("completed"))]) == ResolvedTraining(
        CLEARED, None
    )


def test_no_training_is_reused_if_this_generation_has_one() -> None:
    mine = training("running", id="training-2")
    choice = after_clear([(FIRST_KEY, training("completed")), (CLEARED, mine)])
    assert (choice.existing, choice.reuse_candidate) == (mine, None)


# -- the training that a new one resumes ------------------------------------------

LEFT = training("error", id="training-1")


def resumed_id(choice: ResolvedTraining) -> str | None:
    return None if choice.resumes is None else choice.resumes.id


@pytest.mark.parametrize(("resume", "resumed"), [(False, None), (True, "training-1"), ("always", "training-1")])
@pytest.mark.parametrize("left", [LEFT, training("canceled"), training(cancel_requested=True)], ids=str)
def test_the_training_after_a_failed_or_canceled_one_resumes_it(
    resume: Resume, resumed: str | None, left: Training
) -> None:
    """One that is not canceled yet stores its last checkpoint; the service lets the new one wait for its end."""
    assert resumed_id(resolve([(FIRST_KEY, left)], resume=resume)) == resumed


def test_a_training_resumes_the_one_directly_before_it() -> None:
    """The service knows which ones came before that one; also one that has stored no checkpoint counts."""
    before = training("canceled", id="training-2")
    found = [(FIRST_KEY.next_training, before), (FIRST_KEY, LEFT)]
    assert resolve(found, try_number=3, resume=True).resumes is before


def test_a_try_that_attaches_or_is_the_first_one_resumes_nothing() -> None:
    assert resolve([], resume="always").resumes is None
    for state in ("running", "completed"):
        assert resolve([(FIRST_KEY, training(state))], resume="always").resumes is None
    assert resolve([(FIRST_KEY, LEFT)], try_number=1, resume="always").resumes is None


@pytest.mark.parametrize("state", ["running", "error", "canceled", "completed"])
@pytest.mark.parametrize(
    ("resume", "tags", "resumes"),
    [
        (False, None, False),
        (False, ["resume"], False),
        (True, None, False),
        (True, ["best", "resumed"], False),
        (True, ["best", "resume"], True),
        ("always", None, True),
    ],
)
def test_after_a_clear_a_training_resumes_always_or_if_the_earlier_one_has_the_tag(
    state: str, resume: Resume, tags: list[str] | None, resumes: bool
) -> None:
    left = training(state, tags=tags, acknowledged_at=MOMENT if state == "completed" else None)
    choice = after_clear([(FIRST_KEY, left)], resume=resume)
    assert choice.existing is None
    assert choice.resumes is (left if resumes else None)


def test_after_a_clear_the_newest_earlier_training_is_resumed() -> None:
    tagged, newest = training("error", tags=["resume"]), training("error", id="training-2", later=5)
    found = [(FIRST_KEY.next_training, newest), (FIRST_KEY, tagged)]
    assert after_clear(found, resume="always").resumes is newest
    assert after_clear(found, resume=True).resumes is None


def test_a_further_try_after_a_clear_resumes_the_training_of_its_generation() -> None:
    mine = training("error", id="training-2", later=5)
    choice = resolve_training(
        CLEARED, [(FIRST_KEY, LEFT), (CLEARED, mine)], current_try=TaskTry(3, 2), retry_failed=True, resume=True
    )
    assert choice.resumes is mine


def test_a_completed_training_that_may_be_reused_is_resumed_only_if_it_is_not() -> None:
    done = training("completed")
    choice = after_clear([(FIRST_KEY, done)], resume="always")
    assert (choice.reuse_candidate, choice.resumes) == ((FIRST_KEY, done), done)


def test_no_training_of_another_airflow_is_resumed() -> None:
    theirs = replace(FIRST_KEY, airflow_digest=OTHER)
    assert after_clear([(theirs, LEFT)], resume="always").resumes is None
    assert resolve([(theirs, LEFT)], resume="always").resumes is None


# -- the counters of Airflow ------------------------------------------------------


@dataclass
class Instance:
    """A task instance with the counters of Airflow 3.3: `clear_task_instances`, `schedule_tis`."""

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
        self.clears += 1  # it becomes RESTARTING, and is retried even without tries left

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

    def chooses(self, tag: RunKey, existing: Training) -> ResolvedTraining:
        return resolve_training(
            self.tag(), [(tag, existing)], current_try=TaskTry.from_context(self.context()), retry_failed=True
        )


def submitted(retries: int, tries: int = 1) -> tuple[Instance, RunKey]:
    """A task that has submitted a training in the last of *tries* tries."""
    task = Instance(retries)
    for _ in range(tries):
        task.run()
    return task, task.tag()


@pytest.mark.parametrize(
    ("before", "tries"), [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (5, 1), (5, 2), (5, 3), (5, 6)]
)
@pytest.mark.parametrize("now", [0, 1, 2, 3, 5])
@pytest.mark.parametrize("how", ["clear", "clear_of_a_run_that_has_ended"])
def test_a_clear_is_detected_whether_retries_was_raised_lowered_or_kept(
    before: int, now: int, tries: int, how: str
) -> None:
    """Some tries were made before the clear, with which `retries` may have changed."""
    task, tag = submitted(before, tries)
    task.retries = now
    getattr(task, how)()
    task.run()
    left = training("running")
    assert task.chooses(tag, left) == ResolvedTraining(task.tag(), None, (left,))
    task.run()
    assert task.chooses(tag, left).existing is None


@pytest.mark.parametrize(("before", "now"), [(1, 1), (1, 2), (2, 2), (2, 5), (5, 5)])
def test_a_clear_of_another_task_or_another_map_index_is_no_clear_of_this_one(before: int, now: int) -> None:
    task, tag = submitted(before)
    task.retries = now
    task.clear_another_task()
    task.run()
    existing = training("running")
    assert task.chooses(tag, existing) == ResolvedTraining(tag, existing)


def test_lowered_retries_without_a_clear_are_no_clear() -> None:
    task, tag = submitted(5)
    task.retries = 1
    task.run()
    existing = training("running")
    assert task.chooses(tag, existing) == ResolvedTraining(tag, existing)


def test_lowered_retries_and_a_clear_of_another_task_are_no_clear_of_this_one() -> None:
    task, tag = submitted(5)
    task.retries = 1
    task.clear_another_task()
    task.run()
    existing = training("running")
    assert task.chooses(tag, existing) == ResolvedTraining(tag, existing)


def test_a_clear_of_a_task_that_runs_on_a_worker_is_a_retry() -> None:
    """Airflow keeps `max_tries`; the worker is killed and cancels its training, and the next try trains again."""
    task, tag = submitted(0)
    task.clear_while_it_runs_on_a_worker()
    task.run()
    assert task.chooses(tag, training("canceled")).run_key == tag.next_training


def test_an_acknowledged_training_is_not_used_after_a_clear_that_no_counter_shows() -> None:
    """`retries` was lowered with the clear and raised again before the task ran."""
    task, tag = submitted(3)
    task.retries = 2
    task.clear()
    task.retries = 3
    task.run()
    assert task.tag().generation == tag.generation
    done = training("completed", acknowledged_at=MOMENT)
    assert task.chooses(tag, done) == ResolvedTraining(task.tag(), None)
    assert task.tag().idempotency_key != tag.idempotency_key


def test_a_retry_after_the_acknowledgement_uses_the_training() -> None:
    """The worker died after the acknowledgement and before the task succeeded."""
    task, tag = submitted(3)
    task.run()
    done = training("completed", acknowledged_at=MOMENT)
    assert task.chooses(tag, done) == ResolvedTraining(tag, done)
