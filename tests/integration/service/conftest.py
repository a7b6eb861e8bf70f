"""A user of a service with code, data, and a container for results."""

from __future__ import annotations

import io
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import Framework, TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.storage.swift.store import SwiftStore

TIMEOUT = 180.0
"""Seconds that a training or a process may take on a busy machine. A few are usual."""


GATE = "while [ ! -e $DATA_DIR/gate ]; do sleep 0.05; done"
"""A command that waits for `Customer.open_gate`."""


class Customer:
    """A user with data and a results container on one service."""

    def __init__(self, service: Any, client: Client) -> None:
        self.service, self.client = service, client
        known = service.connections()["swift_default"]
        self.store = {"auth_url": known["host"], "userId": known["login"], "password": known["password"]}
        self.data, self.results = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("data", "results"))
        with self.swift() as swift:
            swift.create_container(self.data)
            swift.create_container(self.results)
            swift.put(self.data, "numbers.txt", b"1 2 3\n")

    def swift(self) -> SwiftStore:
        """Open the embedded store with this user's credentials."""
        return SwiftStore.open(SwiftStoreConnection.model_validate(self.store))

    def code(self, **files: str) -> str:
        """Create an experiment with *files* (names without ``.py``); return its location."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{name}.py", text)
        draft = ExperimentDraft(name="test", framework=Framework(name="tensorflow", version="test"))
        version = self.client.send(calls.create_experiment(draft)).entity.experiment_version
        self.client.send(calls.put_content(self.client.path_from_url(version.content_url), packed.getvalue()))
        return version.url

    def definition(self, command: str, size: str = "small", **files: str) -> dict[str, Any]:
        """Return a definition that runs *command* with *files* as its code."""
        return {
            "model_definition": {
                "name": "test",
                "definition_location": self.code(**(files or {"main": "print('hello')"})),
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": command, "resourceType": size},
            },
            "training_data": [
                {"connection": self.store, "source": {"container": self.data, "type": "softlayer_objectstore"}}
            ],
            "training_results": {
                "connection": self.store,
                "target": {"container": self.results, "type": "softlayer_objectstore"},
            },
        }

    def submit(self, command: str, size: str = "small", **files: str) -> str:
        """Submit a training; return its id."""
        definition = TrainingDefinition.parse(self.definition(command, size, **files))
        return self.client.send(calls.create_training(definition)).id

    def training(self, training_id: str) -> Training:
        """Return the training."""
        return self.client.send(calls.get_training(training_id))

    def wait(self, training_id: str, holds: Callable[[Training], bool], seconds: float = TIMEOUT) -> Training:
        """Wait until *holds* returns true."""
        until = time.monotonic() + seconds
        while not holds(training := self.training(training_id)):
            assert time.monotonic() < until, f"{training.status}\n{self.service.log.read_text()[-4000:]}"
            assert not training.state.is_final, f"{training.status}"
            time.sleep(0.05)
        return training

    def end(self, training_id: str) -> Training:
        """Wait until the training has ended."""
        return self.wait(training_id, lambda training: training.state.is_final)

    def running(self, training_id: str) -> Training:
        """Wait until its command runs."""
        return self.wait(
            training_id,
            lambda training: training.state is TrainingState.RUNNING and training.status.phase == "processing",
        )

    def open_gate(self, training: Training) -> None:
        """Let the command of a running training continue behind its `GATE`."""
        (self.service.home / "jobs" / training.id / "data" / "gate").touch()

    def result(self, training_id: str, name: str) -> bytes:
        """Return the content of one result file."""
        destination = self.service.home.with_name(f"{uuid.uuid4().hex}.result")
        with self.swift() as swift:
            swift.get(self.results, f"{training_id}/{name}", destination)
        return destination.read_bytes()

    def command_output(self, training_id: str) -> str:
        """Return the output of the command, without the lines of the learner."""
        return command_lines(self.result(training_id, "learner-1/training-log.txt").decode())

    def stored(self, training_id: str) -> set[str]:
        """Return the names of the result files."""
        with self.swift() as swift:
            return {
                one.name.removeprefix(f"{training_id}/") for one in swift.list_objects(self.results, f"{training_id}/")
            }


def command_lines(log: str) -> str:
    """Return the lines of *log* that the command has printed."""
    return "".join(line for line in log.splitlines(keepends=True) if not line.startswith("[dlaas] "))


@pytest.fixture
def customer(service: Any) -> Iterator[Customer]:
    """A user of the shared service."""
    with service.client() as client:
        yield Customer(service, client)


@pytest.fixture
def own_customer(own_service: Any) -> Iterator[Customer]:
    """A user of a service of the test's own, which is started here."""
    own_service.start()
    with own_service.client() as client:
        yield Customer(own_service, client)
