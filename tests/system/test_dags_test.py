"""Deferred tasks under ``dag.test()`` and its commands, which resume a task with its trigger's event alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

DAG_FILE = Path(__file__).parent / "dags" / "tested.py"

pytestmark = pytest.mark.timeout(600)

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def command(service: ServiceProcess, client: Client, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run Python with an Airflow that has a database and no running component."""
    home = tmp_path_factory.mktemp("home")
    (home / "dags").mkdir()
    shutil.copy(DAG_FILE, home / "dags")
    (home / "code").mkdir()
    (home / "code" / "main.py").write_text("")
    known = service.connections()
    swift = known["swift_default"]
    access = SwiftStoreConnection(auth_url=swift["host"], user_id=swift["login"], password=SecretStr(swift["password"]))
    with SwiftStore.open(access) as store:
        store.create_container("tested")
    draft = ExperimentDraft.model_validate({"name": "tested", "framework": {"name": "tensorflow", "version": "test"}})
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(home / "code")))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    environment |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_DLAAS_DEFAULT": json.dumps(known["dlaas_default"]),
        "AIRFLOW_CONN_SWIFT_DEFAULT": json.dumps(swift),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TESTED_LOCATION": client.path_from_url(version.url),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], env=environment, cwd=home, capture_output=True, text=True, timeout=300
        )

    migrated = run("-m", "airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    # A task under test needs its DAG in the database.
    run("-m", "airflow", "dags", "reserialize")
    return run


def trained(client: Client) -> list[Training]:
    listed = client.send(calls.list_trainings(limit=1000)).resources
    return [one for one in listed if one.entity.model_definition.name == "tested"]


def test_dag_test_succeeds_with_every_deferred_task(command: Command, client: Client) -> None:
    before = len(trained(client))
    done = command("dags/tested.py")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert [one.state for one in trained(client)][: len(trained(client)) - before] == [TrainingState.COMPLETED] * 2


def test_airflow_dags_test_succeeds_with_every_deferred_task(command: Command) -> None:
    done = command("-m", "airflow", "dags", "test", "tested")
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    output = done.stdout + done.stderr
    assert "state=success" in output, output[-6000:]


def test_airflow_tasks_test_succeeds_with_a_deferred_training(command: Command) -> None:
    done = command("-m", "airflow", "tasks", "test", "tested", "train")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-6000:]
    assert "are in container tested" in output, output[-6000:]
    assert "identity of this Airflow is unknown" not in output
