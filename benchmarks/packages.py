"""
Cost of a training's own packages once its lock and its environment exist: trainings with and without, in turns.

Run by hand: ``python benchmarks/packages.py``. A service with the embedded object store runs both kinds of trainings.
The first training with packages resolves and installs them, which is printed by itself; the index of packages must be
reachable for it. The figures are seconds from the submit until the command runs, and until the training has ended.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.conftest import ServiceProcess

ROUNDS = 9

REQUIREMENTS = "iniconfig\n"
"""Not pinned, so that a lock is needed; small, so that the first training does not take long."""

FRAMEWORK = {"name": "tensorflow", "version": "test"}

STAMP = """
import os, pathlib, time
pathlib.Path(os.environ["RESULT_DIR"], "stamp").write_text(repr(time.time()))
print("stamp", repr(time.time()), flush=True)
"""

IMPORT = "import iniconfig\n"
"""What the code with packages begins with: the training fails if they are missing."""


@dataclass(frozen=True)
class Times:
    """Seconds of one training from its submit on."""

    running: float
    """Until its command runs, by the clock of the command."""
    ended: float
    """Until the training has ended, by the clock of the service."""


def create_version(client: Client, folder: Path, name: str, **files: str) -> str:
    """Create an experiment with the code *files*; return the URL of its version."""
    folder.mkdir()
    for file, content in files.items():
        (folder / file.replace("_", ".")).write_text(content)
    draft = ExperimentDraft.model_validate({"name": name, "framework": FRAMEWORK})
    version = client.send(calls.create_experiment(draft)).entity.experiment_version
    client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(folder)))
    return version.url


def run_training(client: Client, connection: SwiftStoreConnection, location: str) -> Times:
    """Run one training to its end. Raises `AssertionError` if it fails."""
    definition = TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "benchmark",
                "definition_location": location,
                "framework": FRAMEWORK,
                "execution": {"command": "python3 train.py", "resourceType": "small"},
            },
            "training_data": [
                {
                    "connection": connection.model_dump(context={"reveal": True}, by_alias=True),
                    "source": {"container": "benchmark", "type": "softlayer_objectstore"},
                }
            ],
        }
    )
    begun = time.time()
    training = client.send(calls.create_training(definition))
    while not (training := client.send(calls.get_training(training.id))).state.is_final:
        time.sleep(0.05)
    assert training.state is TrainingState.COMPLETED, training.status.error
    with SwiftStore.open(connection) as store, tempfile.TemporaryDirectory() as folder:
        store.get("benchmark", f"{training.id}/stamp", Path(folder) / "stamp")
        running = float((Path(folder) / "stamp").read_text()) - begun
    assert training.status.finished_at is not None
    return Times(running, (training.status.finished_at - training.status.submitted_at).total_seconds())


def compare(title: str, without: list[float], given: list[float]) -> None:
    """Print the medians of both, their difference and their ratio."""
    differences = [one - other for one, other in zip(given, without, strict=True)]
    print(
        f"{title}: {statistics.median(given):.2f} s with packages, {statistics.median(without):.2f} s without; "
        f"{statistics.median(differences):+.2f} s (median of {len(given)} pairs, {min(differences):+.2f} to "
        f"{max(differences):+.2f}), ratio {statistics.median(given) / statistics.median(without):.2f}; "
        f"the fastest of each: {min(given):.2f} s and {min(without):.2f} s"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        service = ServiceProcess(folder / "home")
        try:
            service.start()
            login = service.connections()["swift_default"]
            connection = SwiftStoreConnection.model_validate(
                {"auth_url": login["host"], "userId": login["login"], "password": login["password"]}
            )
            with SwiftStore.open(connection) as store:
                store.create_container("benchmark")
                store.put("benchmark", "data", b"0123456789")
            with service.client() as client:
                plain = create_version(client, folder / "plain", "plain", train_py=STAMP)
                packed = create_version(
                    client, folder / "packed", "packed", train_py=IMPORT + STAMP, requirements_txt=REQUIREMENTS
                )
                run_training(client, connection, plain)
                first = run_training(client, connection, packed)
                print(f"first training with packages (resolves and installs): running after {first.running:.2f} s")
                pairs = [
                    (run_training(client, connection, plain), run_training(client, connection, packed))
                    for _ in range(ROUNDS)
                ]
            compare("submit to command running", [one.running for one, _ in pairs], [one.running for _, one in pairs])
            compare("submit to end", [one.ended for one, _ in pairs], [one.ended for _, one in pairs])
        finally:
            service.close()


if __name__ == "__main__":
    main()
