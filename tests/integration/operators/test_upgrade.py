"""Tasks that ran or were deferred during an upgrade from a release with keys of form 1, against the real service."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import TrainingFailed
from airflow_dlaas.task_runs import wait_for_training
from airflow_dlaas.task_runs.run_key import RunKey
from airflow_dlaas.task_runs.submit import submit_training
from airflow_dlaas.triggers.model import TrainModelTrigger
from tests.conftest import ServiceProcess
from tests.integration.operators.conftest import GATE, FakeTaskInstance, open_gate
from tests.waiting import until


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


def stored_trigger(operator: Any, key: str) -> TrainModelTrigger:
    """Make a trigger from its row of before the upgrade."""
    stored = {
        "definition": operator.definition,
        "definition_location": operator.definition_location,
        "key": key,
        "since": 1767225600.0,
        "timeout": None,
        "dlaas_conn_id": "dlaas_default",
    }
    return TrainModelTrigger(**json.loads(json.dumps(stored)))


def fire(trigger: TrainModelTrigger) -> Any:
    async def first() -> Any:
        async with aclosing(trigger.run()) as events:
            return json.loads(json.dumps((await anext(events)).payload))

    return asyncio.run(first())


def of_key(client: Client, key: str) -> list[Training]:
    listed = client.send(calls.list_trainings(limit=1000)).resources
    return [one for one in listed if key in one.entity.model_definition.description]


def ended(client: Client, training: Training) -> Training:
    return until(lambda: client.send(calls.get_training(training.id)), lambda seen: seen.state.is_final)


@pytest.fixture
def key(task_instance: FakeTaskInstance) -> str:
    """The key with which an earlier release submits the task's training."""
    return RunKey.from_context_v1(task_instance.context()).idempotency_key


def submit_before_upgrade(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str, command: str
) -> Training:
    """Submit a training as a worker did before the upgrade."""
    definition = task(command)._prepare_training(task_instance.context()).definition
    assert definition is not None
    return submit_training(client, definition, RunKey.parse(key), since=None, logger=logging.getLogger(__name__))


def test_a_task_deferred_before_the_upgrade_submits_waits_and_resumes_with_its_stored_key(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str
) -> None:
    operator = task("true", deferrable=True)
    event = fire(stored_trigger(operator, key))
    training_id = operator.execute_complete(task_instance.context(), event=event, key=key)
    [only] = of_key(client, key)
    assert only.id == training_id
    assert only.status.acknowledged_at is not None


def test_an_event_of_before_the_upgrade_resumes_a_task_after_it(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str
) -> None:
    before = ended(client, submit_before_upgrade(task, client, task_instance, key, "true"))
    event = {"training": before.model_dump(mode="json")}
    assert task("true", deferrable=True).execute_complete(task_instance.context(), event=event, key=key) == before.id


def test_a_task_deferred_before_the_upgrade_cancels_with_its_stored_key(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str
) -> None:
    before = submit_before_upgrade(task, client, task_instance, key, "sleep 600")
    asyncio.run(stored_trigger(task("sleep 600"), key).on_kill())
    assert ended(client, before).state is TrainingState.CANCELED


def test_a_try_after_the_upgrade_attaches_to_the_training_of_before(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str
) -> None:
    before = submit_before_upgrade(task, client, task_instance, key, "sleep 2")
    assert task("sleep 2").execute(task_instance.context(try_number=2)) == before.id
    assert task_instance.xcoms["dlaas_training"]["key"] == key


def test_a_deferred_try_after_the_upgrade_attaches_to_the_training_of_before(
    task: Any, client: Client, service: ServiceProcess, task_instance: FakeTaskInstance, key: str
) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    before = submit_before_upgrade(task, client, task_instance, key, GATE)
    operator = task(GATE, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(task_instance.context(try_number=2))
    open_gate(service, before.id)
    _, given = deferred.value.trigger.serialize()
    event = fire(TrainModelTrigger(**given))
    assert (
        operator.execute_complete(task_instance.context(try_number=2), event=event, **deferred.value.kwargs)
        == before.id
    )


def test_after_a_failure_before_the_upgrade_the_next_try_trains_again(
    task: Any, client: Client, task_instance: FakeTaskInstance, key: str
) -> None:
    before = ended(client, submit_before_upgrade(task, client, task_instance, key, "exit 3"))
    with pytest.raises(TrainingFailed):
        task("exit 3").execute(task_instance.context(try_number=2))
    assert task_instance.training_id != before.id
    assert task_instance.xcoms["dlaas_training"]["key"] == RunKey.parse(key).next_training.idempotency_key
