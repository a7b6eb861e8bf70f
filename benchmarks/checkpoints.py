"""
Cost of storing checkpoints while a training runs: steps per second with and without it, and the learner's work.

Run by hand: ``python benchmarks/checkpoints.py [--mib 64] [--every 5] [--seconds 30] [--rounds 5]``. Two services run
the same training in turns; one has ``DLAAS_CHECKPOINTS_KEPT=0``. The training computes on one processor, and writes a
new file of random bytes, all of which must be sent, every few seconds in both. Its object store is on the same machine.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import Framework, TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.packaging import archive
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

FRAMEWORK = {"name": "tensorflow", "version": "test"}
PLACE = {"container": "benchmark", "type": "softlayer_objectstore"}

SCRIPT = """
import os, sys, time
import numpy as np

mib, every, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
folder, draw = os.environ["CHECKPOINT_DIR"], np.random.default_rng(1)
weights = draw.random((256, 256), dtype=np.float32)
begun = saved = time.monotonic()
steps, writing = 0, 0.0
while (now := time.monotonic()) - begun < seconds:
    weights = np.tanh(weights @ weights)
    steps += 1
    if now - saved >= every:
        saved = now
        with open(f"{folder}/new", "wb") as file:
            for _ in range(mib):
                file.write(draw.bytes(1 << 20))
        os.replace(f"{folder}/new", f"{folder}/last.ckpt")
        writing += time.monotonic() - now
print("rate", steps / (time.monotonic() - begun - writing))
"""
"""The rate leaves out the time in which the training itself writes its file: it is the same in both services."""


@dataclass(frozen=True)
class Load:
    """The size of a checkpoint, the seconds from one to the next, and the seconds of a training."""

    mib: int
    every: float
    seconds: float


@dataclass(frozen=True)
class Measured:
    """One training."""

    rate: float
    """Steps per second."""
    processor_seconds: float
    """Of its learner, while the command ran."""
    checkpoints: int
    log: str
    """Its log of checkpoints."""


class BenchmarkService:
    """A service with an experiment and a container."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.process = ServiceProcess(folder / "home", **settings)
        self.location = ""
        self._code = folder / "code"

    def start(self) -> None:
        """Start it, and create what the trainings need."""
        self._code.mkdir()
        (self._code / "train.py").write_text(SCRIPT)
        self.process.start()
        with SwiftStore.open(SwiftStoreConnection.model_validate(self.login)) as store:
            store.create_container("benchmark")
            store.put("benchmark", "data", b"0123456789")
        with self.process.client() as client:
            draft = ExperimentDraft(name="benchmark", framework=Framework.model_validate(FRAMEWORK))
            version = client.send(calls.create_experiment(draft)).entity.experiment_version
            client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(self._code)))
            self.location = version.url

    @property
    def login(self) -> dict[str, str]:
        """The connection to its object store, as in a definition."""
        known = self.process.connections()["swift_default"]
        return {"auth_url": known["host"], "userId": known["login"], "password": known["password"]}

    def train(self, load: Load) -> Measured:
        """Run one training to its end."""
        definition = {
            "model_definition": {
                "name": "benchmark",
                "definition_location": self.location,
                "framework": FRAMEWORK,
                "execution": {
                    "command": f"python3 train.py {load.mib} {load.every} {load.seconds}",
                    "resourceType": "small",
                    "environment": {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                },
            },
            "training_data": [{"connection": self.login, "source": PLACE}],
            "training_results": {"connection": self.login, "target": PLACE},
        }
        with self.process.client() as client:
            training_id = client.send(calls.create_training(TrainingDefinition.parse(definition))).id
            job = JobDirectory(self.process.home / "jobs" / training_id)
            processor_seconds = self._follow(client, training_id, job)
            status = client.send(calls.get_training(training_id)).status
        assert status.state == "completed", status
        log = job.subdirectory("logs") / "checkpoints.log"
        return Measured(
            rate=float(job.log.read_text().rpartition("rate ")[2].split()[0]),
            processor_seconds=processor_seconds,
            checkpoints=status.checkpoint.number if status.checkpoint else 0,
            log=log.read_text() if log.exists() else "",
        )

    def _follow(self, client: Client, training_id: str, job: JobDirectory) -> float:
        """Wait for the end; return the processor time of the learner while its command ran."""
        first = last = 0.0
        while not (now := client.send(calls.get_training(training_id))).state.is_final:
            identity = read_job_file(job.run, ProcessIdentity)
            with contextlib.suppress(psutil.NoSuchProcess):
                if identity is not None and now.status.phase == "processing":
                    used = psutil.Process(identity.pid).cpu_times()
                    last = used.user + used.system
                    first = first or last
            time.sleep(0.2)
        return last - first


def measure(folder: Path, load: Load, rounds: int) -> dict[str, list[Measured]]:
    """Run the trainings in turns; the order changes from round to round."""
    for name in ("with", "without"):
        (folder / name).mkdir()
    services = {
        "with": BenchmarkService(folder / "with", DLAAS_CHECKPOINTS_KEPT="2"),
        "without": BenchmarkService(folder / "without", DLAAS_CHECKPOINTS_KEPT="0"),
    }
    measured: dict[str, list[Measured]] = {name: [] for name in services}
    with contextlib.ExitStack() as stack:
        for service in services.values():
            stack.callback(service.process.close)
            service.start()
        for number in range(rounds):
            for name in sorted(services, reverse=bool(number % 2)):
                one = services[name].train(load)
                measured[name].append(one)
                print(
                    f"round {number + 1}, {name}: {one.rate:.1f} steps/s, learner {one.processor_seconds:.2f} s of "
                    f"processor time, {one.checkpoints} checkpoints"
                )
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    load = Load(chosen.mib, chosen.every, chosen.seconds)
    with tempfile.TemporaryDirectory() as name:
        measured = measure(Path(name), load, chosen.rounds)
    rates = {name: statistics.median(one.rate for one in ones) for name, ones in measured.items()}
    used = {name: statistics.median(one.processor_seconds for one in ones) for name, ones in measured.items()}
    ratios = [one.rate / other.rate for one, other in zip(measured["with"], measured["without"], strict=True)]
    stored = [one.checkpoints for one in measured["with"]]
    print(f"{load.mib} MiB every {load.every:g} s, {load.seconds:g} s, {chosen.rounds} rounds; medians:")
    print(f"  steps/s with checkpoints {rates['with']:.1f}, without {rates['without']:.1f}")
    print(f"  ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    print(f"  learner's processor time {used['with']:.2f} s, without {used['without']:.2f} s")
    print(f"  {statistics.median(stored):g} checkpoints, {statistics.median(stored) * load.mib:g} MiB sent, a training")
    seconds = [float(one) for each in measured["with"] for one in re.findall(r"([0-9.]+) s\b", each.log)]
    if seconds:
        print(f"  {statistics.median(seconds):.2f} s to send one checkpoint ({max(seconds):.2f} at most)")


if __name__ == "__main__":
    main()
