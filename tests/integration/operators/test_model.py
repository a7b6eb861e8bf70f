"""A model is fetched, as a task does it: from the real service's real store, through trouble too."""

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
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import ObjectNotFound, StoreUnreachable
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess
from tests.stored import laid
from tests.troublemaker import Say, Troublemaker
from tests.waiting import until

FRAMEWORK = {"name": "tensorflow", "version": "test"}
LEAVES = 'mkdir "$RESULT_DIR/model" && cd "$RESULT_DIR/model" && printf large > large && printf s > small'


@pytest.fixture(scope="module")
def training_id(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A training that has completed and left two files."""
    known = service.connections()["swift_default"]
    connection = StoreConnection(auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"]))
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
                    "execution": {"command": LEAVES, "resourceType": "small"},
                },
                "training_data": [
                    {"connection": connection, "source": {"container": "fetching", "type": "softlayer_objectstore"}}
                ],
            }
        )
        training = client.send(calls.create_training(definition))
        until(lambda: client.send(calls.get_training(training.id)), lambda seen: seen.state.is_final)
    return training.id


@pytest.fixture
def way(service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[Troublemaker]:
    """The way to the store, with the connections that lead there."""
    known = service.connections()
    with Troublemaker(known["swift_default"]["host"]) as proxy:
        known["swift_default"]["host"] = proxy.auth_url
        for name, fields in known.items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
        yield proxy


def fetch(training_id: str, place: Path, part: str = "model") -> str:
    return FetchModelOperator(task_id="fetch", training_id=training_id, destination=str(place), part=part).execute({})


def test_the_next_try_fetches_only_the_rest(way: Troublemaker, training_id: str, tmp_path: Path) -> None:
    place = tmp_path / "model"
    place.mkdir()
    (place / "old").touch()
    way.on(Say(503), method="GET", path=re.compile("/fetching/.*/model/small$"), times=None)
    with pytest.raises(StoreUnreachable):
        fetch(training_id, place)
    assert laid(place) == {"old": b""}
    way.calm()
    way.clear()
    assert fetch(training_id, place) == str(place)
    assert laid(place) == {"large": b"large", "small": b"s"}
    assert [way.count(method="GET", path=re.compile(f"/model/{name}$")) for name in ("large", "small")] == [0, 1]
    assert [one.name for one in tmp_path.glob("*model*")] == ["model"]


@pytest.mark.usefixtures("way")
def test_nothing_to_fetch_is_final_and_leaves_nothing(training_id: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match=r"nothing under .*/learner-9/"):
        fetch(training_id, tmp_path / "model", part="learner-9")
    assert not list(tmp_path.glob("*model*"))


@pytest.mark.usefixtures("way")
def test_a_part_of_the_results_or_all_of_them(training_id: str, tmp_path: Path) -> None:
    fetch(training_id, tmp_path / "all", part="")
    assert {"model/large", "model/small"} < set(laid(tmp_path / "all"))
    assert ".dlaas-training" not in laid(tmp_path / "all")
