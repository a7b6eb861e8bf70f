"""Tests of the data operators and the object sensor on a real Airflow with a real Swift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import read_tree

pytestmark = pytest.mark.timeout(600)

DAG = "data_steps"
CONTAINER = "data-steps"


@dataclass(frozen=True)
class FinishedRun:
    """A finished run of the DAG."""

    airflow: RealAirflow
    run_id: str
    workspace: Path

    def log(self, task_id: str) -> str:
        return "\n".join(self.airflow.api.log(DAG, self.run_id, task_id))

    def result(self, task_id: str) -> Any:
        return self.airflow.api.xcom(DAG, self.run_id, task_id)

    def event_extra(self, task_id: str) -> dict[str, Any]:
        """Return the extra of the asset event of the task's outlet."""
        response = self.airflow.api._request("GET", f"/assets/events?source_dag_id={DAG}&source_task_id={task_id}")
        (event,) = (one for one in response["asset_events"] if one["source_run_id"] == self.run_id)
        return dict(event["extra"])


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
def store(live_service: ServiceProcess) -> Iterator[SwiftStore]:
    fields = live_service.connections()["swift_default"]
    connection = SwiftStoreConnection(
        auth_url=fields["host"], user_id=fields["login"], password=SecretStr(fields["password"])
    )
    with SwiftStore.open(connection) as opened:
        yield opened


def test_tasks_succeed_except_those_that_must_fail(run: FinishedRun) -> None:
    states = {task.task_id: task.state for task in run.airflow.api.tasks(DAG, run.run_id)}
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"overdue"}, {task: run.log(task)[-2000:] for task in failed - {"overdue"}}


def test_upload_leaves_out_excluded_and_unchanged_files(run: FinishedRun) -> None:
    size = 100 * len("data/a.csv" + "data/deep/b.csv")
    assert run.event_extra("upload") == {"files": 2, "bytes": size, "unchanged": 0, "deleted": 0}
    assert run.event_extra("upload_again") == {"files": 0, "bytes": 0, "unchanged": 2, "deleted": 0}
    assert "0 files sent (0 bytes), 2 unchanged" in run.log("upload_again")


@pytest.mark.parametrize(
    ("task_id", "messages"),
    [
        ("upload", ["Upload: 2.4 KiB of 2.4 KiB, 2 of 2 files", f"Container {CONTAINER}: 2 files sent (2,500 bytes)"]),
        ("download", ["Download: 2.4 KiB of 2.4 KiB", f"Container {CONTAINER}: 2 files fetched (2,500 bytes)"]),
        ("delete", [f"Container {CONTAINER}: 3 objects deleted"]),
    ],
)
def test_task_log_has_progress_and_result(run: FinishedRun, task_id: str, messages: list[str]) -> None:
    log = run.log(task_id)
    for message in messages:
        assert message in log


def test_download_fetches_the_uploaded_files(run: FinishedRun) -> None:
    uploaded, downloaded = read_tree(run.workspace / "data"), read_tree(run.workspace / "copy")
    assert downloaded == {name: content for name, content in uploaded.items() if not name.endswith(".tmp")}
    assert run.result("download") == str(run.workspace / "copy")


def test_upload_deletes_missing_files_under_the_prefix_only(run: FinishedRun, store: SwiftStore) -> None:
    assert run.event_extra("mirror") == {"files": 0, "bytes": 0, "unchanged": 2, "deleted": 1}
    assert [one.name for one in store.list_objects(CONTAINER)] == ["other/stale.csv"]


def test_sensors_return_the_address_of_the_object(run: FinishedRun) -> None:
    assert run.result("sense_here") == f"swift://swift_default@{CONTAINER}/day/a.csv"
    assert run.result("sense_at_once") == f"swift://swift_default@{CONTAINER}/day"
    assert run.result("sense_late") == f"swift://swift_default@{CONTAINER}/day/late.csv"
    assert "Waiting for object 'day/late.csv'" in run.log("sense_late")


def test_deferred_sensor_timeout_names_the_missing_object(run: FinishedRun) -> None:
    message = f"The sensor has timed out: 5 s have passed without object 'never.csv' in container '{CONTAINER}'"
    assert f"AirflowSensorTimeout: {message}" in run.log("overdue")


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
    assert CONTAINER in shown
    for secret in secrets:
        assert secret not in shown
