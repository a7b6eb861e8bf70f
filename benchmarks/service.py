"""
Cost of the service: seconds until it is ready, memory, and seconds from a submit until the command runs.

Run by hand: ``python benchmarks/service.py``. The latency is compared with a plain subprocess that does the same; both
are measured in turns.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

ROUNDS = 7
SCRIPT = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(repr(time.time()))"


def definition(service: ServiceProcess, location: str, stamp: Path) -> TrainingDefinition:
    login = service.connections()["swift_default"]
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "benchmark",
                "definition_location": location,
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": f"python3 stamp.py {stamp}", "resourceType": "small"},
            },
            "training_data": [
                {
                    "connection": {"auth_url": login["host"], "userId": login["login"], "password": login["password"]},
                    "source": {"container": "benchmark", "type": "softlayer_objectstore"},
                }
            ],
        }
    )


def prepare(service: ServiceProcess, client: Client, folder: Path) -> tuple[str, float]:
    """
    Create a container and an experiment; return the URL of its version, and when the service was ready.

    It is ready when it has accepted the first authenticated PUT and POST.
    """
    login = service.connections()["swift_default"]
    (folder / "code").mkdir()
    (folder / "code" / "stamp.py").write_text(SCRIPT)
    connection = SwiftStoreConnection.model_validate(
        {"auth_url": login["host"], "userId": login["login"], "password": login["password"]}
    )
    with SwiftStore.open(connection) as store:
        store.create_container("benchmark")
        store.put("benchmark", "data", b"0123456789")
        experiment = client.send(
            calls.create_experiment(
                ExperimentDraft.model_validate(
                    {"name": "benchmark", "framework": {"name": "tensorflow", "version": "test"}}
                )
            )
        )
        ready = time.time()
    version = experiment.entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(folder / "code")))
    return version.url, ready


def latency_of_service(client: Client, service: ServiceProcess, location: str, stamp: Path) -> float:
    """Return the seconds from the submit until the command has written *stamp*; wait until the training has ended."""
    begun = time.time()
    training = client.send(calls.create_training(definition(service, location, stamp)))
    while not stamp.exists() or not stamp.read_text():
        time.sleep(0.005)
    running = float(stamp.read_text()) - begun
    while not client.send(calls.get_training(training.id)).state.is_final:
        time.sleep(0.05)
    return running


def latency_of_subprocess(folder: Path, stamp: Path) -> float:
    """Return the seconds until the same command, as a plain subprocess, has written *stamp*."""
    begun = time.time()
    subprocess.run(["/bin/sh", "-c", f"python3 stamp.py {stamp}"], cwd=folder / "code", check=True)
    return float(stamp.read_text()) - begun


def memory(service: ServiceProcess) -> float:
    """Return the MiB of all processes of the service; shared pages are counted once (PSS)."""
    root = psutil.Process(service.pid)
    processes = [root, *root.children(recursive=True)]
    return sum(process.memory_full_info().pss for process in processes) / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = ServiceProcess(folder / "home")
        try:
            begun = time.time()
            service.start()
            with service.client() as client:
                location, ready = prepare(service, client, folder)
                print(f"ready (first PUT into Swift and POST accepted): {ready - begun:.2f} s")
                print(f"memory of all its processes: {memory(service):.0f} MiB")
                trainings, subprocesses = [], []
                for number in range(ROUNDS):
                    trainings.append(latency_of_service(client, service, location, folder / f"service-{number}"))
                    subprocesses.append(latency_of_subprocess(folder, folder / f"subprocess-{number}"))
                overheads = [training - plain for training, plain in zip(trainings, subprocesses, strict=True)]
                print(
                    f"submit to command running, more than a plain subprocess: {statistics.median(overheads):.2f} s "
                    f"(median of {ROUNDS}, {min(overheads):.2f} to {max(overheads):.2f}; "
                    f"subprocess {statistics.median(subprocesses):.3f} s)"
                )
                print(f"memory afterwards: {memory(service):.0f} MiB")
        finally:
            service.close()


if __name__ == "__main__":
    main()
