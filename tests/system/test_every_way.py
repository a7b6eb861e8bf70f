"""Every operator and every way to wait, on a real Airflow against the real service; no part faked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from tests.system.stage import eventually

pytestmark = pytest.mark.timeout(600)

DAG = "every_way"


@dataclass(frozen=True)
class Ran:
    """A finished run of the DAG."""

    airflow: RealAirflow
    run_id: str
    workspace: Path

    def state(self, task_id: str) -> str | None:
        return self.airflow.api.task(DAG, self.run_id, task_id).state

    def log(self, task_id: str) -> str:
        return "\n".join(self.airflow.api.log(DAG, self.run_id, task_id))

    def result(self, task_id: str) -> str:
        return str(self.airflow.api.xcom(DAG, self.run_id, task_id))


@pytest.fixture(scope="module")
def ran(airflow: RealAirflow, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Run the DAG once for all tests here."""
    workspace = tmp_path_factory.mktemp("workspace")
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"workspace": str(workspace)})
    airflow.api.wait_for_run(DAG, run_id, timeout=560)
    return Ran(airflow, run_id, workspace)


@pytest.fixture
def client(live_service: ServiceProcess) -> Iterator[Client]:
    known = live_service.connections()["dlaas_default"]
    with Client(known["host"], known["login"], known["password"]) as opened:
        yield opened


def test_all_succeeds_but_what_was_made_to_fail(ran: Ran) -> None:
    states = {view.task_id: view.state for view in ran.airflow.api.tasks(DAG, ran.run_id)}
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"fails", "overdue"}, {task: ran.log(task)[-2000:] for task in failed - {"fails", "overdue"}}


@pytest.mark.parametrize("task_id", ["wait_here", "wait_deferred", "sense_here", "sense_deferred"])
def test_states_and_log_of_the_training_appear_in_the_tasks_log(ran: Ran, task_id: str) -> None:
    log = ran.log(task_id)
    for words in ("Iter 3, Minibatch Loss= 0.3333", "data: ['digits.txt'", "The last line.", ": completed"):
        assert words in log, log[-3000:]


def test_a_command_that_exits_3_fails_the_task_with_the_services_reason(ran: Ran) -> None:
    log = ran.log("fails")
    assert "C201" in log
    assert "3" in log.partition("C201")[0][-200:]


def test_a_training_that_is_overdue_is_canceled(ran: Ran, client: Client) -> None:
    assert "the timeout for it is over" in ran.log("overdue")

    def endless() -> list[TrainingState]:
        """Tell the states of this one, and of the one that a task canceled."""
        trainings = client.send(calls.list_trainings(limit=50)).resources
        return [one.state for one in trainings if "--steps 600" in one.entity.model_definition.execution.command]

    eventually(lambda: True if all(state.is_final for state in endless()) else None, lambda: str(endless()))
    assert endless() == [TrainingState.CANCELED] * 2


def test_a_file_beside_the_dag_is_rendered_and_submitted(ran: Ran, client: Client) -> None:
    training = client.send(calls.get_training(ran.result("submit_file")))
    assert training.entity.model_definition.author == DAG
    assert training.entity.model_definition.execution.command == "python3 train.py --steps 3"


def test_every_way_to_wait_returns_the_trainings_id(ran: Ran) -> None:
    for task_id in ("sense_here", "sense_deferred", "sense_now_and_then"):
        assert ran.result(task_id) == ran.result("submit_file")
    assert ran.result("wait_here").startswith("training-")


def test_the_model_is_fetched(ran: Ran) -> None:
    assert (ran.workspace / "model" / "weights.txt").read_text() == "1 2 3"


def test_what_was_cleaned_up_is_gone(ran: Ran, client: Client) -> None:
    known = {one.id for one in client.send(calls.list_trainings(limit=50)).resources}
    assert ran.result("wait_deferred") not in known
    assert ran.result("wait_here") in known
    names = [one.entity.name for one in client.send(calls.list_experiments()).resources]
    assert "every-way" not in names


def test_no_secret_is_in_a_log_an_xcom_or_a_rendered_template(ran: Ran, live_service: ServiceProcess) -> None:
    secrets = [known["password"] for known in live_service.connections().values()]
    shown = json.dumps(
        [
            [
                ran.log(view.task_id),
                ran.result(view.task_id),
                ran.airflow.api.rendered_fields(DAG, ran.run_id, view.task_id),
            ]
            for view in ran.airflow.api.tasks(DAG, ran.run_id)
        ]
    )
    assert "swift_default" in shown  # the rendered definition is there, and names its connection
    for secret in secrets:
        assert secret not in shown


@pytest.mark.parametrize("name", ["dlaas_default", "swift_default"])
def test_the_connections_test_button_works(airflow: RealAirflow, live_service: ServiceProcess, name: str) -> None:
    known = dict(live_service.connections()[name])
    good, said = airflow.api.test_connection({"connection_id": name, **known})
    assert good, said
    bad, said = airflow.api.test_connection({"connection_id": "other", **known, "password": "not-the-key"})
    assert not bad
    assert "not-the-key" not in said
