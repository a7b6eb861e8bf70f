"""The methods of `DlaasHook`, against the real service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition, NotConfigured, NotFound, TrainingOverdue
from airflow_dlaas.hooks.dlaas import DlaasHook
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

FRAMEWORK = {"name": "tensorflow", "version": "test"}


@pytest.fixture
def hook(service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> DlaasHook:
    monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(service.connections()["dlaas_default"]))
    return DlaasHook()


@pytest.fixture
def zip_of_code(tmp_path: Path) -> Path:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("")
    target = tmp_path / "code.zip"
    target.write_bytes(archive.pack(tmp_path / "code"))
    return target


@pytest.fixture
def make_definition(service: ServiceProcess, hook: DlaasHook, zip_of_code: Path) -> Callable[[str], dict[str, Any]]:
    """Make a definition, in the form of the API, of a training that runs a command."""
    known = service.connections()["swift_default"]
    connection = {"auth_url": known["host"], "userId": known["login"], "password": known["password"]}
    with SwiftStore.open(
        SwiftStoreConnection(auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"]))
    ) as store:
        store.create_container("hook")
    experiment = hook.create_experiment({"name": "hook", "framework": FRAMEWORK})
    hook.upload_experiment_code(experiment, zip_of_code)

    def make(command: str) -> dict[str, Any]:
        return {
            "model_definition": {
                "name": "hook",
                "definition_location": experiment.entity.experiment_version.url,
                "framework": FRAMEWORK,
                "execution": {"command": command, "resourceType": "small"},
            },
            "training_data": [
                {"connection": connection, "source": {"container": "hook", "type": "softlayer_objectstore"}}
            ],
        }

    return make


def test_a_training_is_created_listed_awaited_read_and_deleted(
    hook: DlaasHook, make_definition: Callable[[str], dict[str, Any]]
) -> None:
    key = uuid4().hex
    definition = make_definition("echo 'step 3 loss= 0.5'")
    training = hook.create_training(definition, idempotency_key=key)
    assert hook.create_training(definition, idempotency_key=key).id == training.id
    assert training.id in [one.id for one in hook.list_trainings()]
    assert [one.id for one in hook.list_trainings(limit=1)] == [training.id]
    assert hook.wait_for_training(training.id, timeout=120).state is TrainingState.COMPLETED
    assert hook.get_training(training.id).state is TrainingState.COMPLETED
    assert "loss= 0.5" in hook.get_training_log(training.id, offset=0).text
    [series] = hook.get_training_metrics(training.id, points=10).series or ()
    assert series.points[0][:2] == (3, 0.5)
    hook.annotate_training(training.id, note="a baseline", tags=["baseline", "lr 0.1"])
    status = hook.get_training(training.id).status
    assert (status.note, status.tags) == ("a baseline", ("baseline", "lr 0.1"))
    for tags in ("baseline", ["a,b"]):
        with pytest.raises(InvalidArgument, match=r"^tags"):
            hook.annotate_training(training.id, tags=tags)
    hook.delete_training(training.id)
    with pytest.raises(NotFound):
        hook.get_training(training.id)


def test_a_wait_ends_at_its_timeout_and_a_canceled_training_at_its_end(
    hook: DlaasHook, make_definition: Callable[[str], dict[str, Any]]
) -> None:
    training = hook.create_training(make_definition("sleep 600"))
    with pytest.raises(TrainingOverdue, match="Timeout") as overdue:
        hook.wait_for_training(training.id, timeout=2)
    assert overdue.value.training.id == training.id
    hook.cancel_training(training.id)
    assert hook.wait_for_training(training.id, timeout=120).state is TrainingState.CANCELED


def test_a_wait_for_an_unknown_training_is_an_error(hook: DlaasHook) -> None:
    with pytest.raises(NotFound):
        hook.wait_for_training("training-none", timeout=60)


def test_an_experiment_is_created_versioned_downloaded_and_deleted(
    hook: DlaasHook, zip_of_code: Path, tmp_path: Path
) -> None:
    first = hook.create_experiment({"name": f"hook-{uuid4().hex}", "framework": FRAMEWORK})
    hook.upload_experiment_code(first, zip_of_code)
    experiment_id = first.metadata.guid
    second = hook.add_experiment_version(experiment_id)
    version_ids = {one.entity.experiment_version.guid for one in hook.list_experiment_versions(experiment_id)}
    assert version_ids == {one.entity.experiment_version.guid for one in (first, second)}
    assert hook.get_experiment(experiment_id).entity.experiment_version == second.entity.experiment_version
    old = hook.get_experiment(experiment_id, first.entity.experiment_version.guid)
    assert hook.download_experiment_code(old, tmp_path / "old.zip").read_bytes() == zip_of_code.read_bytes()
    assert experiment_id in [one.metadata.guid for one in hook.list_experiments()]
    assert hook.experiment_id(first.entity.experiment_version.url) == experiment_id
    hook.delete_experiment(experiment_id)
    with pytest.raises(NotFound):
        hook.get_experiment(experiment_id)


def test_an_incomplete_definition_is_refused_before_a_request(hook: DlaasHook) -> None:
    with pytest.raises(InvalidDefinition, match="model_definition"):
        hook.create_training({})
    with pytest.raises(InvalidDefinition, match="framework"):
        hook.create_experiment({"name": "x"})


def test_the_hook_lists_runtimes_and_tests_its_connection(hook: DlaasHook) -> None:
    assert "tensorflow" in {runtime.framework for runtime in hook.list_runtimes()}
    succeeded, message = hook.test_connection()
    assert succeeded, message


def test_an_incomplete_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_HALF", json.dumps({"conn_type": "dlaas", "host": "http://h"}))
    with pytest.raises(NotConfigured, match="half"):
        DlaasHook("half").list_experiments()
