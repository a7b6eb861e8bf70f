"""A service of the previous version is upgraded with trainings in flight, and rolled back; versions are mixed."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

PREVIOUS = "d3e8249e5556f992ae1c95b5733d2a89ea3ec5c4"
"""The last commit whose database has schema 0004: without drain, cordon, backup and the keys of a definition."""

ROOT = Path(__file__).parents[3]

TRAIN = "mkdir $RESULT_DIR/model; echo w > $RESULT_DIR/model/w; echo trained"


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of the previous version, for PYTHONPATH."""
    packed = subprocess.run(
        ["git", "-C", ROOT, "archive", "--format=tar", PREVIOUS, "airflow_dlaas"], capture_output=True, check=False
    )
    if packed.returncode:
        pytest.skip(f"the history of this checkout does not have the previous version {PREVIOUS[:7]}")
    folder = tmp_path_factory.mktemp("previous")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


class VersionedService(ServiceProcess):
    """A service whose version, and the version of its console, can be chosen."""

    def use(self, package: Path | None) -> None:
        """Use the package in the folder *package* from the next start on; None: the present one."""
        # Without PYTHONSAFEPATH, the present package in the current directory comes first.
        chosen = {"PYTHONPATH": str(package), "PYTHONSAFEPATH": "1"} if package else {}
        rest = {key: value for key, value in self.environment.items() if key not in {"PYTHONPATH", "PYTHONSAFEPATH"}}
        self.environment = rest | chosen

    def refusal(self) -> str:
        """Start it, and return what it prints to stderr before it ends with an error."""
        done = self.console("serve")
        assert done.returncode != 0
        return done.stderr


@pytest.fixture
def service(tmp_path: Path) -> Iterator[VersionedService]:
    with contextlib.closing(VersionedService(tmp_path / "home", DLAAS_GPUS="virtual:2")) as service:
        yield service


def console(service: ServiceProcess, *arguments: str) -> str:
    done = service.console(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_upgrade_and_rollback_lose_no_training(service, previous, tmp_path):
    """
    The learner of the previous version goes on under the new service; the queued training starts with the new one.

    The previous version refuses the upgraded database, and starts again with that of the backup.
    """
    service.use(previous)
    service.start()
    with service.client() as client:
        customer = Customer(service, client)
        ended = customer.submit("echo before")
        customer.end(ended)
        first = customer.running(customer.submit(f"{GATE}; echo first > $RESULT_DIR/mark"))
        second = customer.running(customer.submit(GATE))
        queued = customer.submit("cat $DATA_DIR/numbers.txt", "medium")
        service.use(None)
        backup = tmp_path / "before-upgrade.tar"
        console(service, "backup", str(backup))
        service.stop()
        service.start()
        # The GPUs stay with the learners of the previous version, and the pages have what it wrote.
        assert [customer.training(one.id).status.phase for one in (first, second)] == ["processing", "processing"]
        assert customer.training(queued).status.phase == "queued"
        customer.open_gate(first)
        assert customer.end(first.id).state is TrainingState.COMPLETED
        assert customer.result(first.id, "mark") == b"first\n"
        console(service, "drain", "on")
        service.stop()
        # Rollback: the way back is the database of the backup; the training that runs is found again.
        service.use(previous)
        refusal = service.refusal()
        assert "was written by another version of airflow-dlaas" in refusal
        assert "Install that version" in refusal
        for name in ("database.sqlite", "database.sqlite-wal", "database.sqlite-shm"):
            (service.home / name).unlink(missing_ok=True)
        with tarfile.open(backup) as archive:
            archive.extract("database.sqlite", service.home, filter="data")
        service.start()
        customer.open_gate(second)
        assert customer.end(second.id).state is TrainingState.COMPLETED
        assert customer.end(queued).state is TrainingState.COMPLETED
        # It ended while the new version was at work: its job directory has the outcome.
        assert customer.end(first.id).state is TrainingState.COMPLETED
        assert customer.training(ended).state is TrainingState.COMPLETED


def test_console_of_the_previous_version_works_with_this_service(service, previous, tmp_path):
    service.start()
    with service.client() as client:
        customer = Customer(service, client)
        definition = tmp_path / "definition.json"
        definition.write_text(json.dumps(customer.definition(TRAIN)))
    service.use(previous)
    train_and_fetch(service, definition, tmp_path)


def test_console_of_this_version_works_with_a_previous_service(service, previous, tmp_path):
    service.use(previous)
    service.start()
    with service.client() as client:
        customer = Customer(service, client)
        definition = tmp_path / "definition.json"
        definition.write_text(json.dumps(customer.definition(TRAIN)))
    service.use(None)
    train_and_fetch(service, definition, tmp_path)
    document = json.loads(definition.read_text())
    document["model_definition"]["execution"]["environment"] = {"LEVEL": "debug"}
    definition.write_text(json.dumps(document))
    refused = service.console("submit", str(definition))
    assert refused.returncode != 0
    assert "execution.environment" in refused.stderr
    refused = service.console("drain", "on")
    assert refused.returncode != 0
    assert "has no drain and no cordon: it must be updated first" in refused.stderr


def train_and_fetch(service: ServiceProcess, definition: Path, folder: Path) -> None:
    """Submit, follow, list, show and fetch with the console."""
    training_id = json.loads(console(service, "submit", str(definition), "--json"))["metadata"]["guid"]
    assert "trained" in console(service, "logs", training_id, "--follow")
    assert training_id in console(service, "runs")
    assert json.loads(console(service, "show", training_id, "--json"))["entity"]["status"]["state"] == "completed"
    console(service, "fetch", training_id, str(folder / "model"))
    assert (folder / "model" / "w").read_bytes() == b"w\n"
