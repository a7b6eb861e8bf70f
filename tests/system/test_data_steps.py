"""Data steps on a real Airflow against a real Swift; no part faked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import laid

pytestmark = pytest.mark.timeout(600)

DAG = "data_steps"
CONTAINER = "data-steps"


@dataclass(frozen=True)
class Ran:
    """A finished run of the DAG."""

    airflow: RealAirflow
    run_id: str
    workspace: Path

    def log(self, task_id: str) -> str:
        return "\n".join(self.airflow.api.log(DAG, self.run_id, task_id))

    def result(self, task_id: str) -> Any:
        return self.airflow.api.xcom(DAG, self.run_id, task_id)

    def told(self, task_id: str) -> dict[str, Any]:
        """The extra of the event that the task's outlet caused."""
        reply = self.airflow.api._request("GET", f"/assets/events?source_dag_id={DAG}&source_task_id={task_id}")
        (event,) = (one for one in reply["asset_events"] if one["source_run_id"] == self.run_id)
        return dict(event["extra"])


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
def store(live_service: ServiceProcess) -> Iterator[SwiftStore]:
    known = live_service.connections()["swift_default"]
    connection = StoreConnection(auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"]))
    with SwiftStore.open(connection) as opened:
        yield opened


def test_all_succeeds_but_what_was_made_to_fail(ran: Ran) -> None:
    states = {view.task_id: view.state for view in ran.airflow.api.tasks(DAG, ran.run_id)}
    failed = {task for task, state in states.items() if state != "success"}
    assert failed == {"overdue"}, {task: ran.log(task)[-2000:] for task in failed - {"overdue"}}


def test_what_was_excluded_is_not_sent_and_what_is_there_is_not_sent_again(ran: Ran) -> None:
    size = 100 * len("data/a.csv" + "data/deep/b.csv")
    assert ran.told("upload") == {"files": 2, "bytes": size, "unchanged": 0, "deleted": 0}
    assert ran.told("upload_again") == {"files": 0, "bytes": 0, "unchanged": 2, "deleted": 0}
    assert "0 files sent (0 bytes), 2 unchanged" in ran.log("upload_again")


@pytest.mark.parametrize(
    ("task_id", "words"),
    [
        ("upload", ["Upload: 2.4 KiB of 2.4 KiB, 2 of 2 files", f"Container {CONTAINER}: 2 files sent (2,500 bytes)"]),
        ("download", ["Download: 2.4 KiB of 2.4 KiB", f"Container {CONTAINER}: 2 files fetched (2,500 bytes)"]),
        ("delete", [f"Container {CONTAINER}: 3 objects deleted"]),
    ],
)
def test_the_log_tells_how_it_goes_and_how_it_went(ran: Ran, task_id: str, words: list[str]) -> None:
    log = ran.log(task_id)
    for some in words:
        assert some in log


def test_what_comes_down_is_what_went_up(ran: Ran) -> None:
    up, down = laid(ran.workspace / "data"), laid(ran.workspace / "copy")
    assert down == {name: content for name, content in up.items() if not name.endswith(".tmp")}
    assert ran.result("download") == str(ran.workspace / "copy")


def test_what_is_no_longer_there_is_deleted_under_the_prefix_only(ran: Ran, store: SwiftStore) -> None:
    assert ran.told("mirror") == {"files": 0, "bytes": 0, "unchanged": 2, "deleted": 1}
    assert [one.name for one in store.list_objects(CONTAINER)] == ["other/stale.csv"]


def test_every_sensor_returns_where_it_is(ran: Ran) -> None:
    assert ran.result("sense_here") == f"swift://swift_default@{CONTAINER}/day/a.csv"
    assert ran.result("sense_at_once") == f"swift://swift_default@{CONTAINER}/day"
    assert ran.result("sense_late") == f"swift://swift_default@{CONTAINER}/day/late.csv"
    assert "Waiting for object 'day/late.csv'" in ran.log("sense_late")


def test_a_deferred_sensor_whose_time_is_up_says_what_it_waited_for(ran: Ran) -> None:
    sentence = f"The sensor has timed out: 5 s have passed without object 'never.csv' in container '{CONTAINER}'"
    assert f"AirflowSensorTimeout: {sentence}" in ran.log("overdue")


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
    assert CONTAINER in shown
    for secret in secrets:
        assert secret not in shown
