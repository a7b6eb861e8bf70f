"""Tests of every operator and every way to wait, on a real Airflow with the real service."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from requests import Response

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY
from tests.system.stage import eventually

pytestmark = pytest.mark.timeout(600)

DAG = "every_way"


@dataclass(frozen=True)
class FinishedRun:
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
def run(airflow: RealAirflow, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    """Run the DAG once for all tests of this module."""
    workspace = tmp_path_factory.mktemp("workspace")
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"workspace": str(workspace)})
    airflow.api.wait_for_run(DAG, run_id, timeout=560)
    return FinishedRun(airflow, run_id, workspace)


@pytest.fixture
def client(live_service: ServiceProcess) -> Iterator[Client]:
    fields = live_service.connections()["dlaas_default"]
    with Client(fields["host"], fields["login"], fields["password"]) as opened:
        yield opened


def test_tasks_succeed_except_those_that_must_fail(run: FinishedRun) -> None:
    states = {task.task_id: task.state for task in run.airflow.api.tasks(DAG, run.run_id)}
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"fails", "overdue"}, {task: run.log(task)[-2000:] for task in failed - {"fails", "overdue"}}


@pytest.mark.parametrize("task_id", ["wait_here", "wait_deferred", "sense_here", "sense_deferred"])
def test_task_log_has_states_and_log_of_the_training(run: FinishedRun, task_id: str) -> None:
    log = run.log(task_id)
    for message in ("Iter 3, Minibatch Loss= 0.3333", "data: ['digits.txt'", "The last line.", ": completed"):
        assert message in log, log[-3000:]


def test_failed_command_fails_the_task_with_code_and_exit_status(run: FinishedRun) -> None:
    log = run.log("fails")
    assert "C201" in log
    assert "3" in log.partition("C201")[0][-200:]


def test_overdue_training_is_canceled(run: FinishedRun, client: Client) -> None:
    assert "the timeout for it is over" in run.log("overdue")

    def endless_training_states() -> list[TrainingState]:
        """Return the states of this training, and of the one that a task canceled."""
        trainings = client.send(calls.list_trainings(limit=50)).resources
        return [one.state for one in trainings if "--steps 600" in one.entity.model_definition.execution.command]

    eventually(
        lambda: True if all(state.is_final for state in endless_training_states()) else None,
        lambda: str(endless_training_states()),
    )
    assert endless_training_states() == [TrainingState.CANCELED] * 2


def test_definition_file_next_to_the_dag_is_rendered_and_submitted(run: FinishedRun, client: Client) -> None:
    training = client.send(calls.get_training(run.result("submit_file")))
    assert training.entity.model_definition.author == DAG
    assert training.entity.model_definition.execution.command == "python3 train.py --steps 3"


def test_waiting_tasks_return_the_id_of_the_training(run: FinishedRun) -> None:
    for task_id in ("sense_here", "sense_deferred", "sense_now_and_then"):
        assert run.result(task_id) == run.result("submit_file")
    assert run.result("wait_here").startswith("training-")


def test_fetch_model_stores_the_model(run: FinishedRun) -> None:
    assert (run.workspace / "model" / "weights.txt").read_text() == "1 2 3"


def test_deleted_trainings_and_experiments_are_not_listed(run: FinishedRun, client: Client) -> None:
    training_ids = {one.id for one in client.send(calls.list_trainings(limit=50)).resources}
    assert run.result("wait_deferred") not in training_ids
    assert run.result("wait_here") in training_ids
    names = [one.entity.name for one in client.send(calls.list_experiments()).resources]
    assert "every-way" not in names


def test_no_secret_is_in_a_log_an_xcom_or_a_rendered_template(run: FinishedRun, live_service: ServiceProcess) -> None:
    secrets = [fields["password"] for fields in live_service.connections().values()]
    shown = json.dumps(
        [
            [
                run.log(task.task_id),
                run.result(task.task_id),
                run.airflow.api.rendered_fields(DAG, run.run_id, task.task_id),
            ]
            for task in run.airflow.api.tasks(DAG, run.run_id)
        ]
    )
    assert "swift_default" in shown  # the rendered definition contains the id of its connection
    for secret in secrets:
        assert secret not in shown


@dataclass(frozen=True)
class PagesApi:
    """The plugin's API, as the page of a task requests it."""

    run: FinishedRun
    token: str

    def request(self, path: str, task_id: str, *, method: str = "GET", body: Any = None, **query: str) -> Response:
        """Send a request about the training of a task; its id is that in the task's summary."""
        summary = self.run.airflow.api.xcom(DAG, self.run.run_id, task_id, SUMMARY_XCOM_KEY)
        names = {"run_id": self.run.run_id, "task_id": task_id, "training_id": summary["training"]["metadata"]["guid"]}
        return requests.request(
            method,
            f"{self.run.airflow.url}/dlaas/api/{path}",
            params={"dag_id": DAG, **names, **query},
            json=None if body is None else {**names, **body},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )


@pytest.fixture(scope="module")
def pages_api(run: FinishedRun) -> PagesApi:
    login = {"username": run.airflow.login, "password": run.airflow.password}
    reply = requests.post(f"{run.airflow.url}/auth/token", json=login, timeout=60)
    return PagesApi(run, reply.json()["access_token"])


# The training of wait_deferred is deleted: the results stay, and the task's summary names them.
@pytest.mark.parametrize("task_id", ["wait_here", "wait_deferred"])
def test_pages_read_results_and_log(pages_api: PagesApi, task_id: str) -> None:
    files = pages_api.request("results", task_id).json()["files"]
    assert {"learner-1/training-log.txt", "model/weights.txt"} <= {one["name"] for one in files}
    weights = pages_api.request("results/download", task_id, name="model/weights.txt")
    assert (weights.status_code, weights.text) == (200, "1 2 3")
    assert pages_api.request("results/preview", task_id, name="model/weights.txt").json()["text"] == "1 2 3"
    assert "Iter 3, Minibatch Loss= 0.3333" in pages_api.request("log/download", task_id).text
    assert pages_api.request("usage", task_id).json()["complete"]


def test_pages_show_the_reason_of_a_failure(pages_api: PagesApi) -> None:
    failure = pages_api.request("failure", "fails").json()
    assert any("exit" in line for line in failure["lines"]), failure


def test_pages_set_a_note_and_tags(pages_api: PagesApi) -> None:
    assert pages_api.request("task", "wait_here").json()["annotations"]
    body = {"note": "see the log", "tags": ["baseline"]}
    assert pages_api.request("annotations", "wait_here", method="PUT", body=body).status_code == 204
    training = pages_api.request("task", "wait_here").json()["training"]
    assert (training["note"], training["tags"]) == ("see the log", ["baseline"])


@pytest.mark.parametrize("name", ["dlaas_default", "swift_default"])
def test_connection_test_accepts_right_and_refuses_wrong_credentials(
    airflow: RealAirflow, live_service: ServiceProcess, name: str
) -> None:
    fields = dict(live_service.connections()[name])
    is_good, message = airflow.api.test_connection({"connection_id": name, **fields})
    assert is_good, message
    # What the button of Airflow 3.3 sends: the stored fields, the password as stars, and 0 for a missing port.
    stored = airflow.api.connection(name)
    shown = {field: stored[field] or "" for field in ("description", "extra", "host", "login", "schema")}
    button = {"connection_id": name, "conn_type": stored["conn_type"], "password": "***", "port": stored["port"] or 0}
    is_good, message = airflow.api.test_connection(button | shown)
    assert is_good, message
    is_good, message = airflow.api.test_connection({"connection_id": "other", **fields, "password": "not-the-key"})
    assert not is_good
    assert "not-the-key" not in message
