from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_dlaas.client.training_watcher import _Board, differs
from airflow_dlaas.contract.definition import ModelDefinition
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.training import Status, Training, TrainingEntity

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
            model_definition=DEFINITION, status=Status(state=state, submitted_at=NOW, current_at=moment, **status)
        ),
    )


def test_a_clock_that_ticks_is_no_change():
    assert not differs(seen("running"), seen("running", after=5))
    assert differs(seen("running"), seen("running", queue_position=1))
    assert differs(None, seen("running"))


@pytest.mark.parametrize(("newer", "older"), [("running", "pending"), ("completed", "running"), ("error", "completed")])
def test_an_older_answer_that_comes_late_changes_nothing(newer, older):
    board = _Board()
    subject = board.enter("t")
    board.learn(seen(newer))
    board.learn(seen(older))
    assert subject.known == seen(newer)


def test_what_nobody_waits_for_is_not_kept():
    board = _Board()
    board.learn(seen("running"))
    subject = board.enter("t")
    assert subject.known is None
    board.leave("t", subject)
    assert not board


def test_who_comes_after_a_failure_has_it_asked_anew():
    board = _Board()
    first = board.enter("t")
    board.fail("t", ValueError())
    second = board.enter("t")
    board.leave("t", first)
    assert second.error is None
    assert list(board.ids(new=True)) == ["t"]
