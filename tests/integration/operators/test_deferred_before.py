"""Tasks that were deferred by commit 8b07623 are resumed by this version, from the rows that Airflow stores."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest
from airflow.models.trigger import Trigger

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.sensors.training import TrainingSensor
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.task_runs import wait_for_training
from airflow_dlaas.task_runs.run_key import RunKey
from tests.integration.operators.conftest import FakeTaskInstance
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore")  # Airflow's database models warn of themselves

STORED_METHOD = "resume"
"""The method that the rows of these tasks name."""

DEFERRED_AT = 1767225600.0


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


def fire_stored_trigger(class_path: str, **kwargs: Any) -> Any:
    """Make a trigger from its row as a triggerer does, and return the payload of its event as Airflow stores it."""
    from airflow._shared.module_loading import import_string

    row = Trigger(classpath=class_path, kwargs=kwargs)
    trigger = import_string(row.classpath)(**Trigger._decrypt_kwargs(row.encrypted_kwargs))

    async def first_event() -> Any:
        async with aclosing(trigger.run()) as events:
            return (await anext(events)).payload

    return json.loads(json.dumps(asyncio.run(first_event())))


def resume(operator: Any, context: Any, event: Any, **stored_kwargs: Any) -> Any:
    """Resume a task as Airflow's task runner does, with the keyword arguments of its row."""
    from airflow.sdk.serde import deserialize, serialize

    stored = json.loads(json.dumps(serialize({**stored_kwargs, "event": event})))
    return operator.resume_execution(STORED_METHOD, deserialize(stored), context)


def train_model_row(operator: TrainModelOperator, key: str) -> dict[str, Any]:
    return {
        "definition": operator.definition,
        "definition_location": operator.definition_location,
        "key": key,
        "since": DEFERRED_AT,
        "timeout": None,
        "dlaas_conn_id": "dlaas_default",
        "deferred_at": DEFERRED_AT,
    }


@pytest.mark.parametrize("kwargs_are_stored", [True, False], ids=["key in the row", "key in the event"])
def test_a_deferred_training_task_is_resumed(
    task: Any, client: Client, task_instance: FakeTaskInstance, kwargs_are_stored: bool
) -> None:
    operator = task("true", deferrable=True)
    key = RunKey.from_context(task_instance.context(), acknowledges=True).idempotency_key
    event = fire_stored_trigger("airflow_dlaas.triggers.model.TrainModelTrigger", **train_model_row(operator, key))
    training_id = resume(operator, task_instance.context(), event, **({"key": key} if kwargs_are_stored else {}))
    training = client.send(calls.get_training(training_id))
    assert RunKey.from_description(training.entity.model_definition.description) == RunKey.parse(key)
    assert training.status.acknowledged_at is not None


def test_a_deferred_training_sensor_is_resumed(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    training_id = task("true", kind=SubmitTrainingOperator).execute(task_instance.context())
    event = fire_stored_trigger(
        "airflow_dlaas.triggers.training.TrainingTrigger",
        training_id=training_id,
        dlaas_conn_id="dlaas_default",
        deadline=DEFERRED_AT + 10 * 365 * 86400,
        deferred_at=DEFERRED_AT,
    )
    sensor = TrainingSensor(task_id="wait", training_id=training_id, deferrable=True)
    assert resume(sensor, task_instance.context(), event) == training_id
    assert until(lambda: client.send(calls.get_training(training_id)).state) is TrainingState.COMPLETED


def test_a_deferred_object_sensor_is_resumed(store: SwiftStore, container: str) -> None:
    store.create_container(container)
    store.put(container, "day/a", b"a")
    event = fire_stored_trigger(
        "airflow_dlaas.triggers.data.ObjectTrigger",
        container=container,
        swift_conn_id="swift_default",
        name=None,
        prefix="day",
        min_count=1,
        poke_interval=60.0,
        deadline=DEFERRED_AT + 10 * 365 * 86400,
        deferred_at=DEFERRED_AT,
    )
    sensor = ObjectSensor(task_id="wait", container=container, prefix="day", deferrable=True)
    assert resume(sensor, {}, event) == f"swift://swift_default@{container}/day"
