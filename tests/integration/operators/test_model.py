"""Tests of `FetchModelOperator` with the object store of the real service, also with failing requests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import ObjectNotFound, StoreUnreachable
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy, SendReply
from tests.stored import read_tree
from tests.waiting import until

FRAMEWORK = {"name": "tensorflow", "version": "test"}
COMMAND = 'mkdir "$RESULT_DIR/model" && cd "$RESULT_DIR/model" && printf large > large && printf s > small'


@pytest.fixture(scope="module")
def training_id(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of a completed training with two result files, and with a checkpoint."""
    known = service.connections()["swift_default"]
    connection = SwiftStoreConnection(
        auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"])
    )
    with SwiftStore.open(connection) as store:
        store.create_container("fetching")
    code = tmp_path_factory.mktemp("code")
    (code / "main.py").write_text("")
    draft = ExperimentDraft.model_validate({"name": "fetching", "framework": FRAMEWORK})
    with service.client() as client:
        version = client.send(calls.create_experiment(draft)).entity.experiment_version
        client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(code)))
        definition = TrainingDefinition.parse(
            {
                "model_definition": {
                    "name": "fetching",
                    "definition_location": version.url,
                    "framework": FRAMEWORK,
                    "execution": {"command": COMMAND, "resourceType": "small"},
                },
                "training_data": [
                    {"connection": connection, "source": {"container": "fetching", "type": "softlayer_objectstore"}}
                ],
            }
        )
        training = client.send(calls.create_training(definition))
        until(lambda: client.send(calls.get_training(training.id)), lambda one: one.state.is_final)
    with SwiftStore.open(connection) as store:
        store.put("fetching", f"{training.id}/.dlaas-checkpoints/1/content/0-1", b"1")
    return training.id


@pytest.fixture
def store_proxy(service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy in front of the object store, with the connections that lead to it."""
    known = service.connections()
    with FaultProxy(known["swift_default"]["host"]) as proxy:
        known["swift_default"] |= {"host": proxy.auth_url, "port": None}
        for name, fields in known.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
        yield proxy


def fetch(training_id: str, destination: Path, part: str = "model") -> str:
    return FetchModelOperator(
        task_id="fetch", training_id=training_id, destination=str(destination), part=part
    ).execute({})


def test_fetch_is_resumed_by_the_next_try(store_proxy: FaultProxy, training_id: str, tmp_path: Path) -> None:
    destination = tmp_path / "model"
    destination.mkdir()
    (destination / "old").touch()
    store_proxy.on(SendReply(503), method="GET", path=re.compile("/fetching/.*/model/small$"), times=None)
    with pytest.raises(StoreUnreachable):
        fetch(training_id, destination)
    assert read_tree(destination) == {"old": b""}
    store_proxy.calm()
    store_proxy.clear()
    assert fetch(training_id, destination) == str(destination)
    assert read_tree(destination) == {"large": b"large", "small": b"s"}
    assert [store_proxy.count(method="GET", path=re.compile(f"/model/{name}$")) for name in ("large", "small")] == [
        0,
        1,
    ]
    assert [one.name for one in tmp_path.glob("*model*")] == ["model"]


@pytest.mark.usefixtures("store_proxy")
def test_fetch_of_nothing_is_final_and_leaves_no_folder(training_id: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match=r"nothing under .*/learner-9/"):
        fetch(training_id, tmp_path / "model", part="learner-9")
    assert not list(tmp_path.glob("*model*"))


@pytest.mark.usefixtures("store_proxy")
def test_fetch_of_all_results_leaves_out_the_internal_objects(training_id: str, tmp_path: Path) -> None:
    fetch(training_id, tmp_path / "all", part="")
    assert {"model/large", "model/small"} < set(read_tree(tmp_path / "all"))
    assert not [name for name in read_tree(tmp_path / "all") if name.startswith(".dlaas-")]
