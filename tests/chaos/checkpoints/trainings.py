"""The trainings of a chaos run on a service that is killed, and what they leave behind."""

from __future__ import annotations

import io
import re
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.checkpoints.code import train
from tests.chaos.checkpoints.script import PAUSE, STEPS, Round
from tests.chaos.checkpoints.steps import AttemptSteps, parse_steps
from tests.chaos.service.customer import EXPERIMENTS, TRAININGS
from tests.chaos.service.killable_service import KillableService, connection_document

ATTEMPTS = 50
"""More than there are kills."""

SECONDS = re.compile(r"([0-9]+(?:\.[0-9]+)?) s\b")


@dataclass
class ChaosTraining:
    """A submitted training."""

    round: Round
    id: str
    job: JobDirectory
    kills: list[float] = field(default_factory=list)
    """The times at which something of it was killed, without SIGTERM before."""
    events: int = 0
    """Times at which it was killed or got SIGTERM."""
    done: list[str] = field(default_factory=list)
    """What happened to it."""

    @property
    def expected(self) -> bytes:
        """Its weights without any interruption."""
        return train.weights_of(self.seed, STEPS)

    @property
    def seed(self) -> str:
        """The seed of its weights."""
        return f"round-{self.round.number}"

    def learner(self) -> psutil.Process | None:
        """Return the process of its learner, if it runs."""
        identity = read_job_file(self.job.run, ProcessIdentity)
        if identity is None or identify(identity.pid) != identity:  # of an earlier boot, or ended
            return None
        try:
            return psutil.Process(identity.pid)
        except psutil.NoSuchProcess:
            return None

    def steps(self) -> dict[int, AttemptSteps]:
        """Return what its attempts have recorded. The logs of earlier ones are in folders below those of the last."""
        files = sorted(self.job.subdirectory("logs").rglob("steps.txt"))
        return parse_steps(line for one in files for line in one.read_text().splitlines(keepends=True))

    def longest_transfers(self) -> dict[int, float]:
        """Return the longest transfer of a checkpoint by attempt, in seconds, as its log has it."""
        found = {}
        logs = self.job.subdirectory("logs")
        for path in logs.rglob("checkpoints.log"):
            number = re.search(r"attempt-(\d+)/checkpoints.log$", str(path))
            attempt = int(number[1]) if number else max(self.steps(), default=1)
            found[attempt] = max((float(one) for one in SECONDS.findall(path.read_text())), default=0.0)
        return found

    def log(self) -> str:
        """Return its log."""
        return self.job.log.read_text() if self.job.log.exists() else ""


class Trainer:
    """A user that submits these trainings; each request is repeated until the service responds."""

    def __init__(self, service: KillableService, store: SwiftStoreConnection) -> None:
        self.service, self.store = service, store
        self.data, self.results = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("data", "results"))
        with self.swift() as swift:
            swift.create_container(self.data)
            swift.create_container(self.results)
            swift.put(self.data, "numbers.txt", b"1 2 3\n")
        self.location = self._create_experiment()

    def swift(self) -> SwiftStore:
        """Open the object store."""
        return SwiftStore.open(self.store)

    def submit(self, chosen: Round) -> ChaosTraining:
        """Submit the training of a round."""
        command = f"python3 train.py {chosen.style} round-{chosen.number} {STEPS} {chosen.every} {PAUSE}"
        store, place = connection_document(self.store), {"type": "softlayer_objectstore"}
        definition = {
            "model_definition": {
                "name": f"round-{chosen.number}",
                "definition_location": self.location,
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": command, "resourceType": "small", "grace": 10},
            },
            "recovery": {"attempts": ATTEMPTS, "exit_codes": [train.BEGIN_AGAIN, 137, 143]},
            "training_data": [{"connection": store, "source": {"container": self.data, **place}}],
            "training_results": {"connection": store, "target": {"container": self.results, **place}},
        }
        key = f"round-{chosen.number}-{uuid.uuid4().hex[:8]}"
        reply = self.service.request("POST", TRAININGS, key=key, json=definition)
        assert reply.status_code in {200, 202}, reply.text
        training_id = str(reply.json()["metadata"]["guid"])
        return ChaosTraining(chosen, training_id, JobDirectory(self.service.home / "jobs" / training_id))

    def entity(self, training: ChaosTraining) -> dict[str, Any]:
        """Return the training as the service reports it."""
        reply = self.service.request("GET", f"{TRAININGS}/{training.id}")
        assert reply.status_code == 200, reply.text
        entity: dict[str, Any] = reply.json()["entity"]
        return entity

    def end(self, training: ChaosTraining, seconds: float) -> dict[str, Any]:
        """Wait for the end of a training; return its entity, also if it has not ended after *seconds*."""
        until = time.monotonic() + seconds
        while not (entity := self.entity(training))["status"].get("finished_at") and time.monotonic() < until:
            time.sleep(0.1)
        return entity

    def stored(self, training: ChaosTraining) -> list[str]:
        """Return the names of its objects."""
        with self.swift() as swift:
            return [one.name for one in swift.list_objects(self.results, f"{training.id}/")]

    def read(self, name: str) -> bytes:
        """Return the content of an object."""
        path = self.service.home.with_name("got")
        with self.swift() as swift:
            swift.get(self.results, name, path)
        return path.read_bytes()

    def _create_experiment(self) -> str:
        framework = {"name": "tensorflow", "version": "test"}
        reply = self.service.request("POST", EXPERIMENTS, json={"name": "chaos", "framework": framework})
        assert reply.status_code == 201, reply.text
        version = reply.json()["entity"]["experiment_version"]
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("train.py", Path(train.__file__).read_text())
        reply = self.service.request("PUT", version["content_url"], data=packed.getvalue())
        assert reply.status_code == 200, reply.text
        return str(version["url"])
