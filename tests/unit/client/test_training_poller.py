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


def training_in(state, *, after=0, **status) -> Training:
    moment = NOW + timedelta(seconds=after)
    return Training(
        metadata=Metadata(guid="t", url="/v3/models/t", created_at=NOW, modified_at=NOW),
        entity=TrainingEntity(
            model_definition=DEFINITION,
            status=TrainingStatus(state=state, submitted_at=NOW, current_at=moment, **status),
        ),
    )


def test_current_at_alone_is_no_change():
    assert not has_changed(training_in("running"), training_in("running", after=5))
    assert has_changed(training_in("running"), training_in("running", queue_position=1))
    assert has_changed(None, training_in("running"))


@pytest.mark.parametrize(("newer", "older"), [("running", "pending"), ("completed", "running"), ("error", "completed")])
def test_older_response_that_comes_late_is_ignored(newer, older):
    registry = _SubscriptionRegistry()
    subscription = registry.subscribe("t")
    registry.publish(training_in(newer))
    registry.publish(training_in(older))
    assert subscription.latest == training_in(newer)


def test_training_without_a_waiter_is_not_kept():
    registry = _SubscriptionRegistry()
    registry.publish(training_in("running"))
    subscription = registry.subscribe("t")
    assert subscription.latest is None
    registry.unsubscribe("t", subscription)
    assert not registry


def test_subscription_after_a_failure_causes_a_new_request():
    registry = _SubscriptionRegistry()
    first = registry.subscribe("t")
    registry.fail("t", ValueError())
    second = registry.subscribe("t")
    registry.unsubscribe("t", first)
    assert second.error is None
    assert list(registry.ids(new=True)) == ["t"]
