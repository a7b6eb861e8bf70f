"""How the console describes attempts and checkpoints."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.cli.attempt_text import describe_attempt, describe_attempt_number
from airflow_dlaas.cli.training_text import describe_state, training_fields
from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.training import Training
from tests.unit.cli.trainings import make_training, training_document

LOST: dict[str, Any] = {
    "number": 1,
    "started_at": "2026-12-01T00:00:00.000Z",
    "ended_at": "2026-12-01T01:00:00.000Z",
    "code": "S100",
    "reason": "the learner was lost",
}


def with_recovery(total: int, **status: Any) -> Training:
    document = training_document(**status)
    document["entity"]["recovery"] = {"attempts": total, "exit_codes": [75]}
    return parse_response(Training)(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("training", "text"),
    [
        (make_training(), None),
        (make_training(attempt=1), None),
        (make_training(attempt=2), "attempt 2"),
        (with_recovery(1, attempt=1), None),
        (with_recovery(3, attempt=1), "attempt 1 of 3"),
        (with_recovery(3, attempt=3), "attempt 3 of 3"),
        (with_recovery(3), None),
    ],
)
def test_attempt_is_named_where_there_can_be_several(training: Training, text: str | None) -> None:
    assert describe_attempt(training) == text
    assert describe_attempt_number(training) == (text or "").removeprefix("attempt ")


def test_fields_have_attempts_with_reasons_and_the_checkpoints() -> None:
    earlier = {"training_id": "training-earlier1", "attempt": 2, "number": 9}
    own = {"training_id": "training-AbC_12-xY", "attempt": 1, "number": 7}
    fields = training_fields(
        with_recovery(
            3,
            state="running",
            phase="processing",
            attempt=2,
            attempts=[{**LOST, "resumed_from": earlier}, {"number": 2, "resumed_from": own}],
            resumed_from=own,
            checkpoint={
                "attempt": 2,
                "number": 3,
                "stored_at": "2026-12-01T01:55:58.000Z",
                "files": 1,
                "bytes": 64 * 2**20,
            },
        )
    )
    assert fields["attempts"] == (
        "1: from checkpoint 9 of attempt 2 of training-earlier1, ended: the learner was lost (S100)\n"
        "2: from checkpoint 7 of attempt 1"
    )
    assert fields["resumed from"] == "checkpoint 7 of attempt 1"
    assert fields["checkpoint"] == "3 of attempt 2: 1 file, 64.0 MiB, 4 min 2 s ago"


def test_training_of_an_older_service_has_no_fields_of_attempts() -> None:
    fields = training_fields(make_training())
    assert not any(fields[name] for name in ("attempts", "resumed from", "checkpoint"))


@pytest.mark.parametrize(
    ("stored_at", "age"),
    [
        ("2026-12-01T02:00:05.000Z", "0 s"),  # of a clock that is ahead
        ("2026-12-01T01:59:59.000Z", "1 s"),
        ("2026-11-30T23:30:00.000Z", "2 h 30 min"),
        ("2026-11-28T01:00:00.000Z", "3 d 1 h"),
    ],
)
def test_checkpoint_has_its_age(stored_at: str, age: str) -> None:
    checkpoint = {"attempt": 1, "number": 12, "stored_at": stored_at, "files": 10000, "bytes": 0}
    assert training_fields(make_training(checkpoint=checkpoint))["checkpoint"] == (f"12: 10,000 files, 0 B, {age} ago")


def test_state_has_what_is_waited_for() -> None:
    recovering = make_training(state="running", phase="recovering", attempt=2)
    assert describe_state(recovering) == "running, recovering"
    waiting = make_training(state="pending", phase="queued", waits_for="training-earlier1", queue_position=0)
    assert describe_state(waiting) == "pending, waits for training-earlier1"
    assert training_fields(waiting)["queue"] is None
