"""A user of a service that is killed. It keeps every response, so that the audit can check it."""

from __future__ import annotations

import hashlib
import io
import time
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.service.mortal import MortalService, wire

EXPERIMENTS, TRAININGS = "/v3/ml_assets/experiments", "/v3/models"

BEGUN = "begun.txt"

GATE = "while [ ! -e $LOG_DIR/open ]; do sleep 0.05; done"
"""A command that waits for `Customer.open`."""

END = 180.0
"""Seconds that a training may take, with kills of the service, on a busy machine."""


@dataclass
class Promise:
    """A requested training, and what its responses confirmed."""

    key: str
    ends: tuple[str, ...]
    """The final states that are permitted."""
    exit_code: int | None = None
    """The exit code of its command, if that ends by itself."""
    definition: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    """The id in the response with status 202."""
    cancel_asked: bool = False
    acknowledged: bool = False
    """Whether the service confirmed the acknowledgement of the result."""
    deleted: bool = False

    @property
    def model(self) -> bytes:
        """The content that its command stores as its model."""
        return f"model of {self.key}\n".encode()


class Customer:
    """A user. Each command appends a line to a file among its logs when it begins, which stays in its job directory."""

    def __init__(self, service: MortalService, store: StoreConnection) -> None:
        self.service, self.store = service, store
        self.promises: list[Promise] = []
        self.experiments: set[str] = set()
        """Ids of experiments in responses with status 201, without deleted ones."""
        self.data, self.results = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("data", "results"))
        with SwiftStore.open(store) as swift:
            swift.create_container(self.data)
            swift.create_container(self.results)
            swift.put(self.data, "numbers.txt", b"1 2 3\n")
        self.where = ""

    # -- requests ------------------------------------------------------------

    def create_experiment(self) -> dict[str, Any]:
        framework = {"name": "tensorflow", "version": "test"}
        reply = self.service.ask("POST", EXPERIMENTS, json={"name": "chaos", "framework": framework})
        assert reply.status_code == 201, reply.text
        created: dict[str, Any] = reply.json()
        self.experiments.add(created["metadata"]["guid"])
        return created

    def put_content(self, created: dict[str, Any]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", "print('hello')")
        version = created["entity"]["experiment_version"]
        reply = self.service.ask("PUT", version["content_url"], data=packed.getvalue())
        assert reply.status_code == 200, reply.text
        self.where = version["url"]

    def delete_experiment(self, created: dict[str, Any]) -> None:
        reply = self.service.ask("DELETE", f"{EXPERIMENTS}/{created['metadata']['guid']}")
        assert reply.status_code in {204, 404}, reply.text  # 404: it was deleted, and the response was lost
        self.experiments.remove(created["metadata"]["guid"])

    def submit(
        self,
        command: str = "",
        *,
        ends: tuple[str, ...] = ("completed",),
        exit_code: int | None = 0,
        size: str = "small",
    ) -> Promise:
        """Submit a training that records its begin and a model, and then runs *command*."""
        promise = Promise(f"key-{uuid.uuid4().hex[:12]}", ends, exit_code)
        self.promises.append(promise)
        line = f"echo begun >> $LOG_DIR/{BEGUN}; echo 'model of {promise.key}' > $RESULT_DIR/model.txt; "
        promise.definition = self.definition(line + (command or "true"), size)
        return self.repeat(promise)

    def repeat(self, promise: Promise) -> Promise:
        """Send the request with its key, for the first time or again: every response is about the same training."""
        reply = self.service.ask("POST", TRAININGS, key=promise.key, json=promise.definition)
        assert reply.status_code in {200, 202}, reply.text
        answered = reply.json()["metadata"]["guid"]
        assert promise.id in {None, answered}, "one key created two trainings"
        promise.id = answered
        return promise

    def misuse(self, promise: Promise) -> None:
        """Send another definition with the key of *promise*."""
        other = promise.definition | {"training_results": {**promise.definition["training_results"]}}
        other["model_definition"] = {**other["model_definition"], "name": "another"}
        reply = self.service.ask("POST", TRAININGS, key=promise.key, json=other)
        assert reply.status_code == 409, reply.text
        refusal = reply.json()
        assert refusal["trace"]
        assert refusal["errors"][0]["target"] == {"type": "header", "name": "Idempotency-Key"}

    def cancel(self, promise: Promise) -> None:
        operation = [{"op": "replace", "path": "/status/state", "value": "canceled"}]
        reply = self.service.ask("PATCH", f"{TRAININGS}/{promise.id}", json=operation)
        assert reply.status_code in {200, 202, 204}, reply.text
        promise.cancel_asked = True
        promise.ends = (*promise.ends, "canceled")

    def acknowledge(self, promise: Promise) -> None:
        reply = self.service.ask("PUT", f"{TRAININGS}/{promise.id}/acknowledgement")
        assert reply.status_code == 204, reply.text
        promise.acknowledged = True

    def delete(self, promise: Promise) -> None:
        reply = self.service.ask("DELETE", f"{TRAININGS}/{promise.id}")
        assert reply.status_code in {204, 404}, reply.text
        promise.deleted = True

    def training(self, promise: Promise) -> dict[str, Any]:
        reply = self.service.ask("GET", f"{TRAININGS}/{promise.id}")
        assert reply.status_code == 200, reply.text
        status: dict[str, Any] = reply.json()["entity"]["status"]
        return status

    # -- waiting -------------------------------------------------------------

    def wait(self, promise: Promise, holds: Callable[[dict[str, Any]], bool], seconds: float = END) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while not holds(status := self.training(promise)):
            assert time.monotonic() < until, f"{status}\n{self.service.log.read_text()[-6000:]}"
            time.sleep(0.03)
        return status

    def end(self, promise: Promise) -> dict[str, Any]:
        return self.wait(promise, lambda status: "finished_at" in status and status["finished_at"] is not None)

    def processing(self, promise: Promise) -> dict[str, Any]:
        return self.wait(promise, lambda status: status.get("phase") == "processing")

    def logs(self, promise: Promise) -> Path:
        return self.service.home / "jobs" / str(promise.id) / "logs"

    def open(self, promise: Promise) -> None:
        """Let a command continue that waits at its `GATE`."""
        self.wait(promise, lambda _status: self.logs(promise).exists())
        (self.logs(promise) / "open").touch()

    def has_model(self, promise: Promise) -> bool:
        """Return whether its command has written its model."""
        model = self.logs(promise).parent / "results" / "model.txt"
        return model.exists() and model.read_bytes() == promise.model

    def begun(self, promise: Promise) -> int:
        """Return how often its command began."""
        try:
            return len((self.logs(promise) / BEGUN).read_text().splitlines())
        except FileNotFoundError:
            return 0

    def definition(self, command: str, size: str) -> dict[str, Any]:
        store = wire(self.store)
        place = {"type": "softlayer_objectstore"}
        return {
            "model_definition": {
                "name": "chaos",
                "definition_location": self.where,
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": command, "resourceType": size},
            },
            "training_data": [{"connection": store, "source": {"container": self.data, **place}}],
            "training_results": {"connection": store, "target": {"container": self.results, **place}},
        }


def md5(content: bytes) -> str:
    """Return the checksum by which Swift identifies content."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
