"""Secrets of a task: read from Airflow where the definition is sent, and in nothing that Airflow stores."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import NotConfigured, TrainingFailed
from airflow_dlaas.operators.training import SubmitTrainingOperator
from airflow_dlaas.task_runs import wait_for_training
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy
from tests.integration.operators.conftest import FakeTaskInstance, deferral, fire, recreate_trigger

TOKEN, ROTATED = "hf_Value-of-the-secret", "hf_Value-after-rotation"

COMMAND = (
    '[ "$HF_TOKEN" = hf_Value-of-the-""secret ] && [ "$NOTE" = plain ] && echo "token: $HF_TOKEN, loss= 0.5"; exit 3'
)


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)  # the proxy forwards no WebSocket
    set_token(monkeypatch, TOKEN)


def set_token(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HF_DEFAULT", json.dumps({"conn_type": "http", "password": value}))


def with_secrets(operator: Any, **secrets: str) -> Any:
    """Give *operator* a variable and *secrets*."""
    operator.definition["model_definition"]["execution"] |= {"environment": {"NOTE": "plain"}, "secrets": secrets}
    return operator


def log_of(client: Client, training_id: str) -> str:
    return client.send(calls.get_log(training_id)).text


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_command_gets_the_secret_and_airflow_stores_the_reference_only(
    task: Any,
    service: ServiceProcess,
    task_instance: FakeTaskInstance,
    capfd: pytest.CaptureFixture[str],
    deferrable: bool,
) -> None:
    operator = with_secrets(task(COMMAND, deferrable=deferrable), HF_TOKEN="conn:hf_default/password")
    stored: list[Any] = []

    def execute() -> None:
        if not deferrable:
            operator.execute(task_instance.context())
            return
        deferred = deferral(operator, task_instance.context())
        event = fire(recreate_trigger(deferred))
        stored.extend((deferred.trigger.serialize(), deferred.kwargs, event))
        operator.execute_complete(task_instance.context(), event=event, **deferred.kwargs)

    with pytest.raises(TrainingFailed, match="exited with 3") as failed:
        execute()
    rendered = {name: getattr(operator, name) for name in operator.template_fields}
    kept = json.dumps([task_instance.xcoms, rendered, stored], default=str)
    assert "conn:hf_default/password" in kept
    assert "********" in kept  # the masked definition, in the summary
    output = capfd.readouterr()
    for text in (kept, str(failed.value), repr(operator.__dict__), output.out, output.err):
        assert TOKEN not in text
    with service.client() as client:
        log = log_of(client, task_instance.xcoms["dlaas_summary"]["training"]["metadata"]["guid"])
    assert "token: ***, loss= 0.5" in log  # so the command had the value
    assert TOKEN not in log


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_missing_connection_is_named_before_anything_is_sent(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance, deferrable: bool
) -> None:
    operator = with_secrets(task("true", deferrable=deferrable), HF_TOKEN="conn:none")
    with pytest.raises(
        NotConfigured, match=r"secrets\.HF_TOKEN \(conn:none/password\): there is no Airflow connection"
    ):
        operator.execute(task_instance.context())
    assert service_proxy.count(method="POST", path="/v3/models") == 0
    assert task_instance.xcoms.get("dlaas_training", {}).get("id") is None


def test_a_connection_that_is_removed_before_the_trigger_starts_is_named(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = with_secrets(task("true", deferrable=True), HF_TOKEN="conn:hf_default")
    deferred = deferral(operator, task_instance.context())
    monkeypatch.delenv("AIRFLOW_CONN_HF_DEFAULT")
    with pytest.raises(NotConfigured, match=r"secrets\.HF_TOKEN \(conn:hf_default/password\)"):
        operator.execute_complete(task_instance.context(), event=fire(recreate_trigger(deferred)), **deferred.kwargs)
    assert service_proxy.count(method="POST", path="/v3/models") == 0


def test_a_retry_after_a_rotation_finds_the_same_training(
    task: Any, client: Client, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = with_secrets(task("sleep 1000", kind=SubmitTrainingOperator), HF_TOKEN="conn:hf_default")
    first = operator.execute(task_instance.context())
    set_token(monkeypatch, ROTATED)
    retry = with_secrets(task("sleep 1000", kind=SubmitTrainingOperator), HF_TOKEN="conn:hf_default")
    assert retry.execute(task_instance.context(try_number=2)) == first
    # The request itself, as after a lost response: the service compares the masked definitions.
    request = retry._prepare_training(task_instance.context(try_number=2))
    request.training = None
    assert request.definition.model_definition.execution.secrets["HF_TOKEN"].get_secret_value() == ROTATED
    assert request.submit().id == first
    client.send(calls.cancel_training(first))
    assert client.send(calls.get_training(first)).state is not TrainingState.COMPLETED
