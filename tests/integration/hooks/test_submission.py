"""A task that is tried again finds its training, or trains anew: against the real service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.hooks.submission import submit, tagged, task_key
from airflow_dlaas.storage import bundle
from airflow_dlaas.storage.swift import SwiftStore
from tests.conftest import ServiceProcess

FRAMEWORK = {"name": "tensorflow", "version": "test"}


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture
def a_definition(service: ServiceProcess, client: Client, tmp_path: Path) -> Callable[[str], TrainingDefinition]:
    """A definition that runs a command, its experiment and its container."""
    known = service.connections()["swift_default"]
    connection = StoreConnection(auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"]))
    with SwiftStore.open(connection) as store:
        store.create_container("submission")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("")
    draft = ExperimentDraft.model_validate({"name": "submission", "framework": FRAMEWORK})
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_of(version.content_url), bundle.pack(tmp_path / "code")))

    def make(command: str) -> TrainingDefinition:
        return TrainingDefinition.read(
            {
                "model_definition": {
                    "name": "submission",
                    "description": "As I wrote it.",
                    "definition_location": version.url,
                    "framework": FRAMEWORK,
                    "execution": {"command": command, "resourceType": "small"},
                },
                "training_data": [
                    {
                        "connection": connection,
                        "source": {"container": "submission", "type": "softlayer_objectstore"},
                    }
                ],
            }
        )

    return make


def a_key() -> Callable[[int], str]:
    task = uuid4().hex
    return lambda attempt: f"{task}-{attempt}"


def ended(client: Client, training: Training) -> Training:
    deadline = time.monotonic() + 60
    while not (now := client.send(calls.get_training(training.id))).state.final:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return now


def test_a_try_after_a_crash_finds_the_training_that_runs(client: Client, a_definition: Any) -> None:
    key, definition = a_key(), a_definition("sleep 30")
    first = submit(client, definition, key=key, try_number=1)
    again = submit(client, definition, key=key, try_number=2)
    client.send(calls.cancel_training(first.id))
    assert again.id == first.id
    assert again.entity.model_definition.description.startswith("As I wrote it.")


def test_a_try_after_a_failed_training_trains_anew_and_only_once(client: Client, a_definition: Any) -> None:
    key, definition = a_key(), a_definition("exit 3")
    first = submit(client, definition, key=key, try_number=1)
    assert ended(client, first).state is TrainingState.ERROR
    second = submit(client, definition, key=key, try_number=2)
    assert second.id != first.id
    assert submit(client, definition, key=key, try_number=2).id == second.id


def test_a_try_after_a_completed_training_does_not_train_again(client: Client, a_definition: Any) -> None:
    """The worker died between the training's end and the task's."""
    key, definition = a_key(), a_definition("true")
    first = submit(client, definition, key=key, try_number=1)
    assert ended(client, first).state is TrainingState.COMPLETED
    assert submit(client, definition, key=key, try_number=2).id == first.id


def ti(**changes: Any) -> Any:
    """The part of a task's context that its key is made of."""
    own = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "max_tries": 0, "try_number": 1}
    return {"ti": SimpleNamespace(**(own | changes))}


def test_a_retry_has_the_same_key_and_a_clear_another() -> None:
    assert task_key(ti(), 0) == task_key(ti(try_number=2), 0)
    different = [ti(max_tries=1), ti(map_index=3), ti(run_id="s"), ti(task_id="u"), ti(dag_id="e")]
    assert len({task_key(one, 0) for one in different} | {task_key(ti(), 0), task_key(ti(), 1)}) == 7


def test_the_key_stands_in_the_description_where_any_server_keeps_it(a_definition: Any) -> None:
    assert tagged(a_definition("true"), "k3y").model_definition.description == "As I wrote it. [airflow-dlaas k3y]"
