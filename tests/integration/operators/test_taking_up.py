"""A cleared task trains again after a success, and else reuses its completed training: against the real service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, Unavailable
from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.task_runs import wait_for_training
from airflow_dlaas.task_runs.trigger_events import training_event
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy, SendReply
from tests.integration.operators.conftest import FakeTaskInstance
from tests.waiting import until

CLEARED = {"try_number": 2, "max_tries": 1, "clears": 1}
"""Airflow's counters after a clear of a task without retries that was tried once."""


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


def now(client: Client, training_id: str) -> Training:
    return client.send(calls.get_training(training_id))


def completed(client: Client, operator: TrainModelOperator, task_instance: FakeTaskInstance, **counts: int) -> str:
    """Let the training of a try complete whose task is lost before its end."""
    training = operator._prepare_training(task_instance.context(**counts)).submit()
    seen = until(lambda: now(client, training.id), lambda seen: seen.state.is_final)
    assert seen.state is TrainingState.COMPLETED
    return training.id


def test_a_task_that_succeeds_acknowledges_its_training(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    training_id = task("true").execute(task_instance.context())
    assert now(client, training_id).status.acknowledged_at is not None


def test_a_deferred_task_that_succeeds_acknowledges_its_training(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    operator = task("true", deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(task_instance.context())
    training_id = completed(client, task("true"), task_instance)
    assert operator.execute_complete(
        task_instance.context(), event=training_event(now(client, training_id)), **deferred.value.kwargs
    )
    assert now(client, training_id).status.acknowledged_at is not None


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_cleared_after_a_success_trains_again(
    task: Any, client: Client, task_instance: FakeTaskInstance, deferrable: bool
) -> None:
    first = task("true").execute(task_instance.context())
    if not deferrable:
        assert task("true").execute(task_instance.context(**CLEARED)) != first
        return
    with pytest.raises(TaskDeferred):
        task("true", deferrable=True).execute(task_instance.context(**CLEARED))


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_cleared_after_its_training_completed_without_success_reuses_the_training(
    task: Any, client: Client, task_instance: FakeTaskInstance, capsys: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    first = completed(client, task("true"), task_instance)
    capsys.readouterr()
    assert task("true", deferrable=deferrable).execute(task_instance.context(**CLEARED)) == first
    output = capsys.readouterr().out
    assert f"Training {first} of an earlier run of this task has completed, but the task did not succeed" in output
    assert now(client, first).status.acknowledged_at is not None
    # The task has succeeded now.
    assert task("true").execute(task_instance.context(try_number=3, max_tries=2, clears=2)) != first


def test_a_clear_with_lowered_retries_trains_again(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    """`max_tries` does not change: 0 + 3 before, 1 + 2 after the clear."""
    first = task("true", retries=3).execute(task_instance.context(max_tries=3))
    operator = task("true", retries=2)
    context = task_instance.context(try_number=2, max_tries=3, clears=1) | {"task": operator}
    assert operator.execute(context) != first


def test_after_a_clear_of_another_task_the_next_try_uses_the_training(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    operator = task("true", retries=3)
    first = completed(client, operator, task_instance, max_tries=3)
    context = task_instance.context(try_number=2, max_tries=3, clears=1) | {"task": operator}
    assert operator.execute(context) == first


@pytest.mark.parametrize("change", ["command", "results", "extension"])
def test_a_training_with_another_definition_or_without_results_is_not_reused(
    task: Any,
    client: Client,
    task_instance: FakeTaskInstance,
    service: ServiceProcess,
    service_proxy: FaultProxy,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    first = completed(client, task("true"), task_instance)
    why = {"command": "the definition has changed", "results": "container endings has no objects", "extension": ""}
    if change == "results":
        known = service.connections()["swift_default"]
        access = SwiftStoreConnection(
            auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"])
        )
        with SwiftStore.open(access) as store:
            store.delete("endings", [one.name for one in store.list_objects("endings", f"{first}/")])
    if change == "extension":
        instance = {
            "metadata": {"guid": "default", "url": "/x", "created_at": TIME, "modified_at": TIME},
            "entity": {"extensions": {"idempotency_key": True, "changes": True}},
        }
        service_proxy.on(SendReply(200, body=json.dumps(instance).encode()), path="/v3/wml_instances", times=None)
    command = "true; true" if change == "command" else "true"
    capsys.readouterr()
    assert task(command).execute(task_instance.context(**CLEARED)) != first
    assert why[change] in capsys.readouterr().out


TIME = "2026-03-01T10:00:00.000Z"


def test_a_failed_training_is_not_reused(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    with pytest.raises(DlaasError, match="exited with 3"):
        task("exit 3").execute(task_instance.context())
    first = task_instance.training_id
    with pytest.raises(DlaasError, match="exited with 3"):
        task("exit 3").execute(task_instance.context(**CLEARED))
    assert task_instance.training_id != first


def test_a_task_that_only_submits_trains_again_after_a_clear(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    """It succeeds long before its training completes."""
    operator: Callable[..., Any] = lambda: task("true", kind=SubmitTrainingOperator)  # noqa: E731
    first = operator().execute(task_instance.context())
    until(lambda: now(client, first), lambda seen: seen.state.is_final)
    assert operator().execute(task_instance.context(**CLEARED)) != first
    # A task that waits does not reuse it either, after a change of the DAG.
    assert task("true").execute(task_instance.context(try_number=3, max_tries=2, clears=2)) != first


def test_a_success_that_cannot_be_recorded_fails_the_try_and_the_next_try_uses_the_training(
    task: Any, client: Client, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    service_proxy.on(SendReply(503), method="PUT", path="/acknowledgement", times=None)
    with pytest.raises(Unavailable):
        task("true").execute(task_instance.context())
    first = task_instance.training_id
    service_proxy.calm()
    assert task("true").execute(task_instance.context(try_number=2)) == first
    assert service_proxy.count(method="PATCH") == 0


def test_a_deleted_training_is_not_acknowledged_and_the_task_succeeds(
    task: Any, client: Client, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    service_proxy.on(SendReply(404), method="PUT", path="/acknowledgement", times=None)
    assert task("true").execute(task_instance.context())
