"""The outcome of a task after the end of its training or of its wait, against the real service."""

from __future__ import annotations

import asyncio
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import (
    InvalidRequest,
    NotFound,
    ProtocolError,
    TrainingCanceled,
    TrainingFailed,
    TrainingOverdue,
)
from airflow_dlaas.operators.training import SubmitTrainingOperator
from airflow_dlaas.sensors.training import TrainingSensor
from airflow_dlaas.task_runs import first_event, wait_for_training
from airflow_dlaas.triggers.model import TrainModelTrigger
from tests.builders import a_reply, writes_events
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy, SendReply
from tests.integration.operators.conftest import GATE, FakeTaskInstance, deferral, fire, open_gate, recreate_trigger
from tests.waiting import until

FRAMEWORK = {"name": "tensorflow", "version": "test"}
ONE = re.compile(r"^/v3/models/training-[^/?]+$")


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


def now(client: Client, training_id: str) -> Training:
    return client.send(calls.get_training(training_id))


def ended(client: Client, training_id: str) -> Training:
    return until(lambda: now(client, training_id), lambda seen: seen.state.is_final)


def test_the_id_of_a_completed_training_is_the_tasks_result(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    training_id = task("true").execute(task_instance.context())
    assert now(client, training_id).state is TrainingState.COMPLETED
    assert task_instance.training_id == training_id


def test_the_description_of_a_training_names_its_task_also_if_a_trigger_submits_it(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    tag = TaskTag("endings", "train")
    training_id = task("true").execute(task_instance.context())
    description = now(client, training_id).entity.model_definition.description
    assert TaskTag.from_description(description) == tag
    assert description.endswith(f"{tag} [airflow-dlaas {task_instance.xcoms['dlaas_training']['key']}]")
    trigger = recreate_trigger(deferral(task("true", deferrable=True), task_instance.context()))
    assert TaskTag.from_description(trigger.definition["model_definition"]["description"]) == tag


def test_a_task_links_to_its_tab_at_once_and_to_tensorboard_at_the_end(
    task: Any, service: ServiceProcess, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = service.connections()["dlaas_default"] | {"extra": {"tensorboard_url": "http://tb/?{training_id}/{folder}"}}
    monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(known))
    operator = task(writes_events("$LOG_DIR"))
    training_id = operator.execute(task_instance.context())
    tab, board = operator.operator_extra_links
    key = task_instance.context()["ti"]
    assert task_instance.xcoms[tab.xcom_key] == tab.get_link(operator, ti_key=key)
    assert (
        f"/dags/endings/runs/{task_instance.run_id}/tasks/train/plugin/dlaas-training"
        in task_instance.xcoms[tab.xcom_key]
    )
    assert board.get_link(operator, ti_key=key) == f"http://tb/?{training_id}/learner-1"


@pytest.mark.filterwarnings("ignore")  # MLflow's store uses deprecated functions of SQLAlchemy
@pytest.mark.parametrize("command", ["true", "exit 3"])
def test_completed_and_failed_trainings_are_logged_in_mlflow(
    task: Any, task_instance: FakeTaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with suppress(TrainingFailed):
        operator = task(
            f"echo 'step 3 loss= 0.5'; {command} # --lr ${{HP_lr}} --epochs 3",
            hyperparameters={"lr": 0.1, "amp": True},
            mlflow_experiment="digits",
        )
        operator.execute(task_instance.context())
    from mlflow.tracking import MlflowClient

    [run] = MlflowClient().search_runs([MlflowClient().get_experiment_by_name("digits").experiment_id])
    assert run.info.status == ("FINISHED" if command == "true" else "FAILED")
    assert run.data.metrics == {"loss": 0.5}
    assert run.data.params == {"lr": "0.1", "amp": "true", "epochs": "3"}
    assert run.data.tags["airflow.task_id"] == "train"


GAP = [{"name": "validation/gap", "regex": r"at (?P<step>\d+) the gap is ([\d.]+)"}]


def test_metric_definitions_of_a_task_are_used(task: Any, task_instance: FakeTaskInstance) -> None:
    operator = task("echo 'at 40 the gap is 0.25, loss= 9'", metric_definitions=GAP)
    operator.execute(task_instance.context())
    assert task_instance.xcoms["metrics"] == {"validation/gap": 0.25}
    [series] = task_instance.xcoms["dlaas_summary"]["curves"]["series"]
    assert series["points"][0][:2] == [40, 0.25]


def test_hyperparameters_of_a_task_reach_the_command_and_an_xcom(task: Any, task_instance: FakeTaskInstance) -> None:
    operator = task("echo iteration 1, loss= $HP_lr", hyperparameters={"lr": 0.25, "name": "adam", "decay": None})
    operator.definition["model_definition"]["execution"]["hyperparameters"] = {"lr": 9, "decay": 1, "epochs": 3}
    operator.execute(task_instance.context())
    assert task_instance.xcoms["metrics"] == {"loss": 0.25}
    assert task_instance.xcoms["hyperparameters"] == {"lr": 0.25, "epochs": 3, "name": "adam"}
    assert task_instance.xcoms["dlaas_summary"]["parameters"]["lr"] == 0.25


def test_an_invalid_regex_submits_nothing(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    operator = task("true", metric_definitions=[{"name": "x", "regex": "(?<=a)(b)"}])
    with pytest.raises(InvalidRequest, match=r"metric_definitions\[0\]\.regex: is no expression of RE2"):
        operator.execute(task_instance.context())
    assert "id" not in task_instance.xcoms["dlaas_training"]


def test_the_error_of_a_failed_training_has_the_cause_and_the_location_of_its_log(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    with pytest.raises(TrainingFailed, match=r"exited with 3.*C201.*in container endings under training-.*/"):
        task("exit 3").execute(task_instance.context())
    assert service_proxy.count(method="PATCH") == 0  # a training that has ended is not canceled


def test_the_next_try_after_a_failure_trains_again_only_with_retry_failed(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    with pytest.raises(TrainingFailed):
        task("exit 3").execute(task_instance.context())
    first = task_instance.training_id
    with pytest.raises(TrainingFailed):
        task("exit 3", retry_failed=False).execute(task_instance.context(try_number=2))
    assert task_instance.training_id == first
    with pytest.raises(TrainingFailed):
        task("exit 3").execute(task_instance.context(try_number=2))
    assert task_instance.training_id != first


def test_a_training_that_a_user_cancels_raises_training_canceled(
    task: Any, client: Client, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = wait_for_training.wait_for_training_sync

    def wait(access: Any, training_id: str, **given: Any) -> Training:
        client.send(calls.cancel_training(training_id))
        return real(access, training_id, **given)

    monkeypatch.setattr(wait_for_training, "wait_for_training_sync", wait)
    with pytest.raises(TrainingCanceled, match="was canceled"):
        task("sleep 600").execute(task_instance.context())


def test_a_training_is_canceled_at_its_timeout(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    with pytest.raises(TrainingOverdue):
        task("sleep 600", timeout=timedelta(seconds=2)).execute(task_instance.context())
    assert ended(client, task_instance.training_id).state is TrainingState.CANCELED


def test_the_next_try_after_the_service_lost_a_training_trains_again(
    task: Any, client: Client, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    service_proxy.on(
        SendReply(404), method="GET", path="?after=", times=None
    )  # the change feed does not have it either
    service_proxy.on(SendReply(404), method="GET", path=ONE, times=None)
    with pytest.raises(NotFound):
        task("sleep 5").execute(task_instance.context())
    lost = task_instance.training_id
    ended(client, lost)
    client.send(calls.delete_training(lost))
    service_proxy.calm()
    assert task("true").execute(task_instance.context(try_number=2)) != lost


def test_an_unknown_state_is_an_error_and_the_training_is_canceled(
    task: Any, client: Client, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    service_proxy.on(SendReply(404), method="GET", path="?after=", times=None)
    service_proxy.on(SendReply(200, body=a_reply("paused")), method="GET", path=ONE, times=None)
    with pytest.raises(ProtocolError, match=r"entity\.status\.state"):
        task("sleep 600").execute(task_instance.context())
    assert ended(client, task_instance.training_id).state is TrainingState.CANCELED


def test_a_token_that_expires_during_a_training_is_renewed(
    task: Any, service_proxy: FaultProxy, service: ServiceProcess, task_instance: FakeTaskInstance
) -> None:
    expired = b'{"trace": "0", "errors": [{"code": "expired_authorization_token", "message": "expired"}]}'
    service_proxy.on(SendReply(401, body=expired), method="GET", path="?after=", times=1, skip=1)

    def open_when_renewed() -> None:
        until(lambda: service_proxy.count(method="GET", path="?after="), lambda asked: asked > 2)
        open_gate(service, task_instance.training_id)

    with ThreadPoolExecutor(1) as pool:
        opened = pool.submit(open_when_renewed)
        training_id = task(GATE).execute(task_instance.context())
        opened.result()
    assert training_id == task_instance.training_id
    seen = service_proxy.requests
    [refused] = [number for number, one in enumerate(seen) if one.status == 401]
    before_it_is_sent_again = takewhile(lambda one: "?after=" not in one.path, seen[refused + 1 :])
    assert "/v3/identity/token" in [one.path for one in before_it_is_sent_again]


def test_after_any_error_of_the_wait_the_training_is_canceled(
    task: Any, client: Client, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **more: Any) -> Training:
        raise KeyboardInterrupt

    monkeypatch.setattr(wait_for_training, "wait_for_training_sync", broken)
    with pytest.raises(KeyboardInterrupt):
        task("sleep 600").execute(task_instance.context())
    assert ended(client, task_instance.training_id).state is TrainingState.CANCELED


def test_a_killed_task_cancels_its_training(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    operator = task("sleep 600", kind=SubmitTrainingOperator)
    operator._prepare_training(task_instance.context()).submit()
    operator.on_kill()
    assert ended(client, task_instance.training_id).state is TrainingState.CANCELED


def test_a_task_that_has_only_submitted_does_not_cancel_its_training(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    operator = task("sleep 600", kind=SubmitTrainingOperator)
    training_id = operator.execute(task_instance.context())
    operator.on_kill()
    assert not now(client, training_id).status.cancel_requested
    client.send(calls.cancel_training(training_id))


def test_a_sensor_pushes_its_training_and_the_link_to_its_tab(task: Any, task_instance: FakeTaskInstance) -> None:
    training_id = task("true", kind=SubmitTrainingOperator).execute(task_instance.context())
    waiting_one = FakeTaskInstance()
    sensor = TrainingSensor(task_id="wait", training_id=training_id, deferrable=False)
    assert sensor.execute(waiting_one.context()) == training_id
    assert waiting_one.xcoms["dlaas_training"] == {"id": training_id, "connection": "dlaas_default"}
    assert waiting_one.xcoms["_link_TrainingLink"].endswith("/plugin/dlaas-training")


def test_a_deferrable_sensor_of_an_ended_training_is_not_deferred(task: Any, client: Client) -> None:
    """Its trigger would fire at once and race the end of the worker's process."""
    good, bad = (
        task(one, kind=SubmitTrainingOperator).execute(FakeTaskInstance().context()) for one in ("true", "exit 3")
    )
    for one in (good, bad):
        ended(client, one)
    assert (
        TrainingSensor(task_id="wait", training_id=good, deferrable=True).execute(FakeTaskInstance().context()) == good
    )
    with pytest.raises(TrainingFailed, match="exited with 3"):
        TrainingSensor(task_id="wait", training_id=bad, deferrable=True).execute(FakeTaskInstance().context())
    with pytest.raises(NotFound):
        TrainingSensor(task_id="wait", training_id="training-nope", deferrable=True).execute(
            FakeTaskInstance().context()
        )


def test_a_deferrable_sensor_waits_for_an_unavailable_service(task: Any, service_proxy: FaultProxy) -> None:
    training_id = task("true", kind=SubmitTrainingOperator).execute(FakeTaskInstance().context())
    service_proxy.on(SendReply(503), method="GET", path=f"/v3/models/{training_id}", times=None)
    sensor = TrainingSensor(task_id="wait", training_id=training_id, deferrable=True)
    before = time.time()
    trigger = deferral(sensor, FakeTaskInstance().context()).trigger
    assert service_proxy.count(method="GET", path=f"/v3/models/{training_id}") == 1
    assert before <= trigger.serialize()[1]["deferred_at"] <= time.time()


# -- deferred ----------------------------------------------------------------


def test_a_deferred_task_submits_nothing_on_the_worker(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    deferral(task("true", deferrable=True), task_instance.context())
    assert service_proxy.count(method="POST", path="/v3/models") == 0
    assert "id" not in task_instance.xcoms["dlaas_training"]


def test_metric_definitions_of_a_deferred_task_are_used(task: Any, task_instance: FakeTaskInstance) -> None:
    operator = task("echo 'at 40 the gap is 0.25'", metric_definitions=GAP, deferrable=True)
    deferred = deferral(operator, task_instance.context())
    operator.execute_complete(task_instance.context(), event=fire(recreate_trigger(deferred)), **deferred.kwargs)
    assert task_instance.xcoms["metrics"] == {"validation/gap": 0.25}


def test_a_task_resumed_with_the_event_alone_finds_its_training(task: Any, task_instance: FakeTaskInstance) -> None:
    """`airflow dags test`, `airflow tasks test` and `dag.test()` drop the keyword arguments of the deferral."""
    operator = task("true", deferrable=True)
    event = fire(recreate_trigger(deferral(operator, task_instance.context())))
    assert operator.execute_complete(task_instance.context(), event=event) == event["training"]["metadata"]["guid"]


def test_a_task_resumed_with_the_event_alone_cancels_its_training_at_the_timeout(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    operator = task("sleep 600", deferrable=True, timeout=timedelta(seconds=2))
    event = fire(recreate_trigger(deferral(operator, task_instance.context())))
    with pytest.raises(TrainingOverdue):
        operator.execute_complete(task_instance.context(), event=event)
    assert ended(client, event["training"]["metadata"]["guid"]).state is TrainingState.CANCELED


def test_an_event_without_a_key_is_resumed_with_the_stored_key(task: Any, task_instance: FakeTaskInstance) -> None:
    operator = task("true", deferrable=True)
    deferred = deferral(operator, task_instance.context())
    event = fire(recreate_trigger(deferred))
    del event["key"]
    assert operator.execute_complete(task_instance.context(), event=event, **deferred.kwargs)
    with pytest.raises(ProtocolError, match="key of its training"):
        operator.execute_complete(task_instance.context(), event=event)


@pytest.mark.parametrize("retry_failed", [True, False])
def test_a_try_whose_training_has_ended_does_not_defer(
    task: Any, client: Client, task_instance: FakeTaskInstance, retry_failed: bool
) -> None:
    """A trigger that fires at once would race Airflow's scheduler."""
    command = "true" if retry_failed else "exit 3"
    operator = task(command, deferrable=True, retry_failed=retry_failed)
    event = fire(recreate_trigger(deferral(operator, task_instance.context())))
    again = task(command, deferrable=True, retry_failed=retry_failed)
    if retry_failed:
        assert again.execute(task_instance.context(try_number=2)) == event["training"]["metadata"]["guid"]
    else:
        with pytest.raises(TrainingFailed, match="exited with 3"):
            again.execute(task_instance.context(try_number=2))


def test_the_first_event_of_a_trigger_is_delayed(
    task: Any, task_instance: FakeTaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_event, "FIRST_EVENT_DELAY", 2.0)
    operator = task("true", deferrable=True)
    operator.definition["training_data"][0]["source"]["container"] = "no-such"
    deferred = deferral(operator, task_instance.context())
    _, given = deferred.trigger.serialize()
    event = fire(TrainModelTrigger(**given))
    assert time.time() >= given["deferred_at"] + 2
    with pytest.raises(InvalidRequest, match="no-such"):
        operator.execute_complete(task_instance.context(), event=event, **deferred.kwargs)


def test_a_trigger_that_starts_twice_submits_once(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    operator = task("true", deferrable=True)
    deferred = deferral(operator, task_instance.context())
    event, again = fire(recreate_trigger(deferred)), fire(recreate_trigger(deferred))
    training_id = operator.execute_complete(task_instance.context(), event=event, **deferred.kwargs)
    assert operator.execute_complete(task_instance.context(), event=again, **deferred.kwargs) == training_id


def test_an_error_in_storing_the_training_id_does_not_fail_the_training(
    task: Any, task_instance: FakeTaskInstance
) -> None:
    """The trigger does not run in a triggerer here, so it cannot write an XCom."""
    operator = task("true", deferrable=True)
    deferred = deferral(operator, task_instance.context())
    trigger = recreate_trigger(deferred)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    event = fire(trigger)
    assert event["training"]["entity"]["status"]["state"] == "completed"


def test_a_failure_in_the_event_is_raised_as_the_same_error(
    task: Any, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    operator = task("exit 3", deferrable=True)
    deferred = deferral(operator, task_instance.context())
    with pytest.raises(TrainingFailed, match="exited with 3"):
        operator.execute_complete(task_instance.context(), event=fire(recreate_trigger(deferred)), **deferred.kwargs)
    assert service_proxy.count(method="PATCH") == 0


def test_a_refusal_in_the_event_is_raised_as_the_same_error(task: Any, task_instance: FakeTaskInstance) -> None:
    operator = task("true", deferrable=True)
    operator.definition["training_data"][0]["source"]["container"] = "no-such"
    deferred = deferral(operator, task_instance.context())
    with pytest.raises(InvalidRequest, match="no-such") as refused:
        operator.execute_complete(task_instance.context(), event=fire(recreate_trigger(deferred)), **deferred.kwargs)
    assert refused.value.code == "C103"


def test_the_serialized_trigger_has_no_secret(
    task: Any, service: ServiceProcess, task_instance: FakeTaskInstance
) -> None:
    stored = json.dumps(deferral(task("true", deferrable=True), task_instance.context()).trigger.serialize())
    assert "swift_default" in stored
    for known in service.connections().values():
        assert known["password"] not in stored


def test_a_deferred_training_is_canceled_at_its_timeout(
    task: Any, client: Client, task_instance: FakeTaskInstance
) -> None:
    operator = task("sleep 600", deferrable=True, timeout=timedelta(seconds=2))
    deferred = deferral(operator, task_instance.context())
    event = fire(recreate_trigger(deferred))
    with pytest.raises(TrainingOverdue):
        operator.execute_complete(task_instance.context(), event=event, **deferred.kwargs)
    assert ended(client, event["training"]["metadata"]["guid"]).state is TrainingState.CANCELED


def test_a_trigger_that_is_killed_during_its_request_cancels_the_training(
    task: Any, client: Client, service_proxy: FaultProxy, task_instance: FakeTaskInstance
) -> None:
    """It has no response yet to its submission."""
    trigger = recreate_trigger(deferral(task("sleep 600", deferrable=True), task_instance.context()))
    service_proxy.on(SendReply(503), method="POST", path="/v3/models", times=None)

    async def killed() -> None:
        async def listen() -> None:
            async with aclosing(trigger.run()) as events:
                await anext(events)

        running = asyncio.create_task(listen())
        await asyncio.to_thread(until, lambda: service_proxy.count(method="POST", path="/v3/models"))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        service_proxy.calm()
        await trigger.on_kill()

    asyncio.run(killed())
    mine = [
        one
        for one in client.send(calls.list_trainings(limit=1000)).resources
        if trigger.key in one.entity.model_definition.description
    ]
    assert [ended(client, one.id).state for one in mine] == [TrainingState.CANCELED]
