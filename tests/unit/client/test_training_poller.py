from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_dlaas.client.training_watcher import _SubscriptionRegistry, has_changed
from airflow_dlaas.contract.definition import ModelDefinition
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.training import Training, TrainingEntity, TrainingStatus

NOW = datetime(2026, 3, 1, tzinfo=timezone.utc)
DEFINITION = ModelDefinition.model_validate(
    {
        "name": "n",
        "definition_location": "/v3/x",
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "execution": {"command": "true", "resourceType": "small"},
    }
)


def seen(state, *, after=0, **status) -> Training:
    moment = NOW + timedelta(seconds=after)
    return Training(
        metadata=Metadata(guid="t", url="/v3/models/t", created_at=NOW, modified_at=NOW),
        entity=TrainingEntity(
            model_definition=DEFINITION,
            status=TrainingStatus(state=state, submitted_at=NOW, current_at=moment, **status),
        ),
    )


def test_a_clock_that_ticks_is_no_change():
    assert not has_changed(seen("running"), seen("running", after=5))
    assert has_changed(seen("running"), seen("running", queue_position=1))
    assert has_changed(None, seen("running"))


@pytest.mark.parametrize(("newer", "older"), [("running", "pending"), ("completed", "running"), ("error", "completed")])
def test_an_older_answer_that_comes_late_changes_nothing(newer, older):
    board = _SubscriptionRegistry()
    subject = board.subscribe("t")
    board.publish(seen(newer))
    board.publish(seen(older))
    assert subject.latest == seen(newer)


def test_what_nobody_waits_for_is_not_kept():
    board = _SubscriptionRegistry()
    board.publish(seen("running"))
    subject = board.subscribe("t")
    assert subject.latest is None
    board.unsubscribe("t", subject)
    assert not board


def test_who_comes_after_a_failure_has_it_asked_anew():
    board = _SubscriptionRegistry()
    first = board.subscribe("t")
    board.fail("t", ValueError())
    second = board.subscribe("t")
    board.unsubscribe("t", first)
    assert second.error is None
    assert list(board.ids(new=True)) == ["t"]
