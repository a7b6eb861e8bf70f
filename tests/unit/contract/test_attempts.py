"""The attempts and checkpoints of a training, as a client reads them from any service."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_dlaas.contract.attempts import AttemptReport, CheckpointReport, ResumedFrom
from airflow_dlaas.contract.state import Phase
from tests.builders import a_training

TIME = "2026-03-01T12:00:00.000Z"
RESUMED = {"training_id": "training-AbC_12-xY", "attempt": 1, "number": 7}


@pytest.mark.parametrize("keys", [(), ("attempt", "attempts", "checkpoint", "resumed_from", "waits_for")])
def test_service_without_attempts_is_read(keys: tuple[str, ...]) -> None:
    status = a_training(**dict.fromkeys(keys)).status
    assert (status.attempt, status.attempts, status.checkpoint, status.resumed_from, status.waits_for) == (None,) * 5


def test_attempts_are_read_with_keys_of_a_newer_service() -> None:
    status = a_training(
        "running",
        phase="recovering",
        attempt=2,
        attempts=[{"number": 1, "ended_at": TIME, "code": "S100", "resumed_from": None, "newer": 1}, {"number": 2}],
        checkpoint={"attempt": 1, "number": 9, "stored_at": TIME, "files": 3, "bytes": 64, "newer": 1},
        resumed_from={**RESUMED, "newer": 1},
        waits_for="training-others00",
    ).status
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    assert status.attempts == (AttemptReport(number=1, ended_at=noon, code="S100"), AttemptReport(number=2))
    assert status.checkpoint == CheckpointReport(attempt=1, number=9, stored_at=noon, files=3, bytes=64)
    assert status.resumed_from == ResumedFrom(training_id="training-AbC_12-xY", attempt=1, number=7)
    assert (status.phase, status.attempt, status.waits_for) == (Phase.RECOVERING, 2, "training-others00")


def test_metric_has_the_attempt_that_measured_it() -> None:
    metric = {"timestamp": TIME, "iteration": 1, "values": []}
    first, second = a_training(metrics=[metric, {**metric, "attempt": 2}]).status.metrics
    assert (first.attempt, second.attempt) == (None, 2)
