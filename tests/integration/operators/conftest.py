"""Operators that run as in a task, against real servers, with Airflow's connections in the environment."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk.exceptions import TaskDeferred
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.operators.training import TrainModelOperator
from airflow_dlaas.packaging import archive
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.triggers.model import TrainModelTrigger
from tests.conftest import ServiceProcess
from tests.fault_proxy import FaultProxy
from tests.waiting import until

FRAMEWORK = {"name": "tensorflow", "version": "test"}

GATE = "while [ ! -e $LOG_DIR/gate ]; do sleep 0.05; done"
"""A command that runs until `open_gate`."""


def open_gate(service: ServiceProcess, training_id: str) -> None:
    """End the wait of the training whose command is `GATE`; the training may not have started yet."""
    gate = JobDirectory(service.home / "jobs" / training_id).subdirectory("logs") / "gate"
    until(gate.parent.exists)
    gate.touch()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[SwiftStore]:
    """The object store behind the connection ``swift_default``."""
    known = {
        "conn_type": "swift",
        "host": swift.auth_url,
        "login": swift.user_id,
        "password": swift.password.get_secret_value(),
    }
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(known))
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def container() -> str:
    """The name of a container that does not exist and that no other test uses."""
    return f"data-{uuid4().hex[:8]}"


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture
def service_proxy(service: ServiceProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The proxy between the connection ``dlaas_default`` and the service."""
    known = service.connections()
    with FaultProxy(known["dlaas_default"]["host"]) as proxy:
        through = known["dlaas_default"] | {"host": proxy.auth_url.rstrip("/"), "port": None}
        monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(through))
        monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(known["swift_default"]))
        monkeypatch.setenv("AIRFLOW__DLAAS__AIRFLOW_ID", "the tests' Airflow")
        yield proxy


@pytest.fixture
def location(service: ServiceProcess, client: Client, tmp_path: Path) -> str:
    """The location of an experiment version; the container ``endings`` exists too."""
    known = service.connections()["swift_default"]
    connection = SwiftStoreConnection(
        auth_url=known["host"], user_id=known["login"], password=SecretStr(known["password"])
    )
    with SwiftStore.open(connection) as store:
        store.create_container("endings")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("")
    draft = ExperimentDraft.model_validate({"name": "endings", "framework": FRAMEWORK})
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(tmp_path / "code")))
    return client.path_from_url(version.url)


@pytest.fixture
def task(service_proxy: FaultProxy, location: str) -> Callable[..., TrainModelOperator]:
    """Make a task that trains with a command."""

    def make(command: str, *, kind: Any = TrainModelOperator, **given: Any) -> Any:
        definition = {
            "model_definition": {
                "name": "endings",
                "framework": FRAMEWORK,
                "execution": {"command": command, "resourceType": "small"},
            },
            "training_data": [
                {"connection": "swift_default", "source": {"container": "endings", "type": "softlayer_objectstore"}},
            ],
        }
        return kind(task_id="train", definition=definition, definition_location=location, **given)

    return make


class FakeTaskInstance:
    """The XComs of a task instance, and its context."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}
        self.run_id = uuid4().hex

    def context(self, *, try_number: int = 1, max_tries: int = 0, clears: int = 0) -> Any:
        ti = SimpleNamespace(
            dag_id="endings",
            run_id=self.run_id,
            task_id="train",
            map_index=-1,
            max_tries=max_tries,
            try_number=try_number,
            xcom_push=lambda key, value: self.xcoms.update({key: value}),
        )
        begun = datetime(2026, 1, 1, tzinfo=timezone.utc)
        return {
            "ti": ti,
            "task": None,
            "dag_run": SimpleNamespace(start_date=begun, run_after=begun, clear_number=clears),
        }

    @property
    def training_id(self) -> str:
        return str(self.xcoms["dlaas_training"]["id"])


@pytest.fixture
def task_instance() -> FakeTaskInstance:
    return FakeTaskInstance()


def deferral(operator: Any, context: Any) -> TaskDeferred:
    """Return what a task that is deferred leaves to Airflow."""
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context)
    return deferred.value


def recreate_trigger(deferred: TaskDeferred) -> TrainModelTrigger:
    """Make the trigger again from its serialization, as another process does."""
    _, given = deferred.trigger.serialize()
    # As if deferred some time ago: an event in the first seconds would be delayed.
    return TrainModelTrigger(**json.loads(json.dumps(given)) | {"deferred_at": given["deferred_at"] - 60})


def fire(trigger: TrainModelTrigger) -> Any:
    """Run *trigger* until its event; return the payload as Airflow stores it."""

    async def first() -> Any:
        async with aclosing(trigger.run()) as events:
            return json.loads(json.dumps((await anext(events)).payload))

    return asyncio.run(first())
