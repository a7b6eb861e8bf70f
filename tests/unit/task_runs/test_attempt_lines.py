"""What the log of a waiting task has about the attempts of its training."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.contract.recovery import Recovery
from airflow_dlaas.contract.training import Training
from airflow_dlaas.task_runs.attempt_lines import attempt_lines
from tests.builders import a_training

OWN_ID = a_training().id
LOST = {"number": 1, "ended_at": "2026-11-23T02:10:00.000Z", "code": "S100", "reason": "The learner was lost"}
AGAIN = {"number": 2, "exit_code": 75, "reason": "The command exited with 75\x1b[2J"}


def source(number: int, attempt: int = 1, training_id: str = OWN_ID) -> dict[str, Any]:
    return {"training_id": training_id, "attempt": attempt, "number": number}


def lines(state: str = "running", *, total: int | None = None, **status: Any) -> list[str]:
    training: Training = a_training(state, **status)
    recovery = None if total is None else Recovery(attempts=total)
    entity = training.entity.model_copy(update={"recovery": recovery})
    return list(attempt_lines(training.model_copy(update={"entity": entity})))


def test_a_training_with_one_attempt_that_began_from_zero_has_no_lines() -> None:
    assert lines() == []
    assert lines(phase="processing", attempt=1) == []
    assert lines("completed", attempt=1) == []


def test_the_end_of_an_attempt_names_its_cause_and_the_next_attempt() -> None:
    attempts = [LOST, {"number": 2}]
    expected = ["attempt 1 ended: The learner was lost (S100); attempt 2 of 3 follows"]
    assert lines(total=3, phase="recovering", attempt=2, attempts=attempts) == expected
    # Whether it begins with a checkpoint is known only after the phase in which one is loaded.
    assert lines(total=3, phase="loading", attempt=2, attempts=attempts) == expected


def test_an_attempt_names_the_checkpoint_that_it_begins_with() -> None:
    given: dict[str, Any] = {"phase": "processing", "attempt": 2, "attempts": [LOST, {"number": 2}]}
    ended = "attempt 1 ended: The learner was lost (S100); attempt 2 follows"
    assert lines(**given, resumed_from=source(7)) == [ended, "attempt 2 begins with checkpoint 7 of attempt 1"]
    assert lines(**given) == [ended, "attempt 2 begins without a checkpoint"]


@pytest.mark.parametrize("state", ["completed", "error", "canceled"])
def test_a_last_attempt_that_ends_between_two_polls_has_its_beginning_too(state: str) -> None:
    attempts = [LOST, {"number": 2}]
    assert lines(state, attempt=2, attempts=attempts, resumed_from=source(7)) == [
        "attempt 1 ended: The learner was lost (S100); attempt 2 follows",
        "attempt 2 begins with checkpoint 7 of attempt 1",
    ]


def test_a_first_attempt_names_the_training_that_it_resumes() -> None:
    assert lines(phase="processing", attempt=1, resumed_from=source(4, 2, "training-9")) == [
        "attempt 1 begins with checkpoint 4 of attempt 2 of training-9"
    ]


def test_attempts_that_ended_between_two_polls_have_all_their_lines() -> None:
    before = lines(phase="processing", attempt=2, attempts=[LOST, {"number": 2}], resumed_from=source(7))
    attempts = [LOST, {**AGAIN, "resumed_from": source(7)}, {"number": 3}]
    after = lines(phase="storing", attempt=3, attempts=attempts, resumed_from=source(2, 2))
    assert after == [
        *before,
        "attempt 2 ended: The command exited with 75\\x1b[2J; attempt 3 follows",
        "attempt 3 begins with checkpoint 2 of attempt 2",
    ]


def test_the_end_of_the_last_attempt_is_that_of_the_training() -> None:
    attempts = [LOST, {"number": 2, "reason": "The command exited with 1"}]
    for state in ("error", "canceled"):  # canceled perhaps before the second attempt had begun
        assert lines(state, attempt=2, attempts=attempts) == [
            "attempt 1 ended: The learner was lost (S100); attempt 2 follows"
        ]
