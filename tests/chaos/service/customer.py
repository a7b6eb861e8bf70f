"""A user of a service that is killed: sends requests, and records all responses for the comparison in `audit`."""

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

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.service.killable_service import KillableService, connection_document

EXPERIMENTS, TRAININGS = "/v3/ml_assets/experiments", "/v3/models"

STARTED_FILE = "started.txt"
"""The file in a job's folder of logs to which the command appends a line when it starts."""

WAIT_FOR_RELEASE = "while [ ! -e $LOG_DIR/released ]; do sleep 0.05; done"
"""A command that waits for `Customer.release`."""

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL in all definitions: few, since tests wait for them."""

END_TIMEOUT = 180.0
"""Seconds to wait for the end of a training, with kills of the service, on a machine with high load."""


@dataclass
class Submission:
    """A submitted training: its request, and the responses of the service about it."""

    key: str
    end_states: tuple[str, ...]
    """The final states that it may have."""
    exit_code: int | None = None
    """The exit code of its command, if the command ends by itself."""
    definition: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    """The id in the response 202; None without a response."""
    cancel_requested: bool = False
    acknowledged: bool = False
    """Whether the service confirmed the acknowledgement of the result."""
    tag: str | None = None
    """The tag that the service confirmed."""
    deleted: bool = False

    @property
    def model(self) -> bytes:
        """The model that its command stores."""
        return f"model of {self.key}\n".encode()


class Customer:
    """
    A user with a data and a results container.

    Each command appends a line to `STARTED_FILE` when it starts, which stays in its job directory.
    """

    def __init__(self, service: KillableService, store: SwiftStoreConnection) -> None:
        self.service, self.store = service, store
        self.submissions: list[Submission] = []
        self.experiments: set[str] = set()
        """The ids of experiments that the service confirmed with 201, and that are not deleted."""
        self.data, self.results = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("data", "results"))
        with SwiftStore.open(store) as swift:
            swift.create_container(self.data)
            swift.create_container(self.results)
            swift.put(self.data, "numbers.txt", b"1 2 3\n")
        self.code_location = ""

    # -- requests --------------------------------------------------------------

    def create_experiment(self) -> dict[str, Any]:
        framework = {"name": "tensorflow", "version": "test"}
        reply = self.service.request("POST", EXPERIMENTS, json={"name": "chaos", "framework": framework})
        assert reply.status_code == 201, reply.text
        created: dict[str, Any] = reply.json()
        self.experiments.add(created["metadata"]["guid"])
        return created

    def put_content(self, created: dict[str, Any]) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("main.py", "print('hello')")
        version = created["entity"]["experiment_version"]
        reply = self.service.request("PUT", version["content_url"], data=packed.getvalue())
        assert reply.status_code == 200, reply.text
        self.code_location = version["url"]

    def delete_experiment(self, created: dict[str, Any]) -> None:
        reply = self.service.request("DELETE", f"{EXPERIMENTS}/{created['metadata']['guid']}")
        assert reply.status_code in {204, 404}, (
            reply.text
        )  # 404: an earlier request deleted it, and its response was lost
        self.experiments.remove(created["metadata"]["guid"])

    def submit(
        self,
        command: str = "",
        *,
        end_states: tuple[str, ...] = ("completed",),
        exit_code: int | None = 0,
        size: str = "small",
        recovery: dict[str, Any] | None = None,
    ) -> Submission:
        """Submit a training that records its start, writes a model and then runs *command*."""
        submission = Submission(f"key-{uuid.uuid4().hex[:12]}", end_states, exit_code)
        self.submissions.append(submission)
        line = f"echo started >> $LOG_DIR/{STARTED_FILE}; echo 'model of {submission.key}' > $RESULT_DIR/model.txt; "
        submission.definition = self.definition(line + (command or "true"), size)
        if recovery is not None:
            submission.definition["recovery"] = recovery
        return self.repeat(submission)

    def repeat(self, submission: Submission) -> Submission:
        """Send the request with its key, for the first time or again; each response must name the same training."""
        reply = self.service.request("POST", TRAININGS, key=submission.key, json=submission.definition)
        assert reply.status_code in {200, 202}, reply.text
        answered_id = reply.json()["metadata"]["guid"]
        assert submission.id in {None, answered_id}, "one key, two trainings"
        submission.id = answered_id
        return submission

    def misuse(self, submission: Submission) -> None:
        """Send another definition with the key of *submission*; require the refusal."""
        other = submission.definition | {"training_results": {**submission.definition["training_results"]}}
        other["model_definition"] = {**other["model_definition"], "name": "another"}
        reply = self.service.request("POST", TRAININGS, key=submission.key, json=other)
        assert reply.status_code == 409, reply.text
        refusal = reply.json()
        assert refusal["trace"]
        assert refusal["errors"][0]["target"] == {"type": "header", "name": "Idempotency-Key"}

    def cancel(self, submission: Submission) -> None:
        operation = [{"op": "replace", "path": "/status/state", "value": "canceled"}]
        reply = self.service.request("PATCH", f"{TRAININGS}/{submission.id}", json=operation)
        assert reply.status_code in {200, 202, 204}, reply.text
        submission.cancel_requested = True
        submission.end_states = (*submission.end_states, "canceled")

    def acknowledge(self, submission: Submission) -> None:
        reply = self.service.request("PUT", f"{TRAININGS}/{submission.id}/acknowledgement")
        assert reply.status_code == 204, reply.text
        submission.acknowledged = True

    def annotate(self, submission: Submission, tag: str) -> None:
        reply = self.service.request("PUT", f"{TRAININGS}/{submission.id}/annotations", json={"tags": [tag]})
        assert reply.status_code == 204, reply.text
        submission.tag = tag

    def delete(self, submission: Submission) -> None:
        reply = self.service.request("DELETE", f"{TRAININGS}/{submission.id}")
        assert reply.status_code in {204, 404}, reply.text
        submission.deleted = True

    def training(self, submission: Submission) -> dict[str, Any]:
        """Return the status of its training."""
        reply = self.service.request("GET", f"{TRAININGS}/{submission.id}")
        assert reply.status_code == 200, reply.text
        status: dict[str, Any] = reply.json()["entity"]["status"]
        return status

    # -- waits ---------------------------------------------------------------

    def wait(
        self, submission: Submission, holds: Callable[[dict[str, Any]], bool], seconds: float = END_TIMEOUT
    ) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while not holds(status := self.training(submission)):
            assert time.monotonic() < until, f"{status}\n{self.service.log.read_text()[-6000:]}"
            time.sleep(0.03)
        return status

    def end(self, submission: Submission) -> dict[str, Any]:
        return self.wait(submission, lambda status: "finished_at" in status and status["finished_at"] is not None)

    def processing(self, submission: Submission) -> dict[str, Any]:
        return self.wait(submission, lambda status: status.get("phase") == "processing")

    def logs(self, submission: Submission) -> Path:
        return self.service.home / "jobs" / str(submission.id) / "logs"

    def release(self, submission: Submission) -> None:
        """End the wait of a command that runs `WAIT_FOR_RELEASE`."""
        self.wait(submission, lambda _status: self.logs(submission).exists())
        (self.logs(submission) / "released").touch()

    def has_model(self, submission: Submission) -> bool:
        """Return whether its command has written its model."""
        model = self.logs(submission).parent / "results" / "model.txt"
        return model.exists() and model.read_bytes() == submission.model

    def command_starts(self, submission: Submission) -> int:
        """Return the number of times its command was started in the last attempt."""
        try:
            return len((self.logs(submission) / STARTED_FILE).read_text().splitlines())
        except FileNotFoundError:
            return 0

    def earlier_starts(self, submission: Submission) -> dict[str, int]:
        """Return the number of times its command was started in each earlier attempt, by the folder of its logs."""
        files = self.logs(submission).glob(f"attempt-*/{STARTED_FILE}")
        return {path.parent.name: len(path.read_text().splitlines()) for path in files}

    def definition(self, command: str, size: str) -> dict[str, Any]:
        store = connection_document(self.store)
        store_type = {"type": "softlayer_objectstore"}
        return {
            "model_definition": {
                "name": "chaos",
                "definition_location": self.code_location,
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": command, "resourceType": size, "grace": GRACE},
            },
            "training_data": [{"connection": store, "source": {"container": self.data, **store_type}}],
            "training_results": {"connection": store, "target": {"container": self.results, **store_type}},
        }


def md5(content: bytes) -> str:
    """Return the ETag that Swift gives to *content*."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
