"""What a learner is handed: a job folder, a zip, a store with data."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dlaas.contract.stores import REVEAL_SECRETS, SwiftStoreConnection
from airflow_dlaas.demo import ports
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import DataFile, ExitFile, PhaseFile, ProcessIdentity
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.running import NO_BUBBLEWRAP

WAIT_TIMEOUT = 120.0
"""Seconds that anything but a training may take on a busy machine."""

LONGEST = 600.0
"""Seconds to a training's end, the making of its environment included."""


GATE = "while [ ! -e $CHECKPOINT_DIR/gate ]; do sleep 0.05; done"
"""A command that waits for `WorkItem.open_gate`."""

BEGUN = "touch $CHECKPOINT_DIR/begun"
"""What a command does in the background to let `AWAIT_BEGUN` end."""

AWAIT_BEGUN = "while [ ! -e $CHECKPOINT_DIR/begun ]; do sleep 0.05; done"


def bubblewrap_works() -> bool:
    """Whether a user can make a sandbox on this machine."""
    line = ["bwrap", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    return shutil.which("bwrap") is not None and subprocess.run(line, capture_output=True, timeout=60).returncode == 0


class Job:
    """A job directory as the dispatcher creates it, and the results of the learner."""

    def __init__(self, path: Path, connection: SwiftStoreConnection, runner: LocalRunner) -> None:
        self.folder = JobDirectory(path)
        self.id = path.name
        self.connection = connection
        self.runner = runner
        self.isolation = "auto"
        self.data_url: str | None = None
        """Where the learner reaches the store for data, if it is not the address for results."""
        self.definitions: list[dict[str, str]] = []
        self.hyperparameters: dict[str, Any] = {}
        self.container = f"data-{uuid.uuid4().hex[:8]}"
        with self.store() as store:
            store.create_container(self.container)

    def store(self) -> SwiftStore:
        return SwiftStore.open(self.connection)

    def put(self, name: str, content: bytes, container: str | None = None) -> None:
        with self.store() as store:
            store.create_container(container or self.container)
            store.put(container or self.container, name, content)

    def stored(self) -> dict[str, bytes]:
        """The stored objects of the training, by name below its prefix."""
        found = {}
        with self.store() as store:
            for one in store.list_objects(self.container, f"{self.id}/"):
                store.get(self.container, one.name, self.folder.path.with_name("got"))
                found[one.name.removeprefix(f"{self.id}/")] = self.folder.path.with_name("got").read_bytes()
        return found

    def prepare(
        self,
        command: str,
        *,
        containers: tuple[str, ...] = (),
        sources: Sequence[Mapping[str, Any]] | None = None,
        code: bytes | None = None,
        **spec: Any,
    ) -> None:
        """
        Create the job directory, as the dispatcher does.

        :param sources: the keys of each source of training data beside its type and, for the job's own container, its
            name; one with a path is a mounted folder. They replace *containers*.
        """
        self.folder.path.mkdir()
        zipped = self.folder.path.with_name(f"{self.id}.zip")
        zipped.write_bytes(a_zip({"main.py": "print('hello')"}) if code is None else code)
        connection = self.connection.model_dump(context=REVEAL_SECRETS)
        place = {"type": "softlayer_objectstore"}
        definition = {
            "model_definition": {
                "name": "test",
                "definition_location": "/v3/ml_assets/experiments/e/versions/v",
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {
                    "command": command,
                    "resourceType": "small",
                    "hyperparameters": self.hyperparameters or None,
                },
            },
            "training_data": [
                {"source": {"type": "mount_volume", **one}}
                if "path" in one
                else {
                    "connection": {**connection, "auth_url": self.data_url or self.connection.auth_url},
                    "source": {"container": self.container, **place, **one},
                }
                for one in (
                    [{"container": name} for name in containers or (self.container,)] if sources is None else sources
                )
            ],
            "training_results": {"connection": connection, "target": {"container": self.container, **place}},
            "metric_definitions": self.definitions,
        }
        self.folder.secrets.write_text(json.dumps(definition))
        runtime = RuntimeSpec(
            key="test", kind="venv", provides="the tests' own Python", python=str(Path(sys.executable).parent)
        )
        whole: dict[str, Any] = {
            "training_id": self.id,
            "command": command,
            "runtime": runtime,
            "code": zipped,
            "environments": self.folder.path.with_name("environments"),
            "gpus": ("virtual:0",),
            "isolation": self.isolation,
            **spec,
        }
        self.folder.spec.write_text(JobSpec.model_validate(whole).model_dump_json())

    def start(self, command: str, **spec: Any) -> str:
        """Create the job directory and start the learner; return the handle."""
        self.prepare(command, **spec)
        return self.runner.start(self.folder)

    def open_gate(self) -> None:
        """Let a command continue that waits at its `GATE`."""
        (self.folder.subdirectory("checkpoints") / "gate").touch()

    def end(self) -> ExitFile:
        """Wait for ``exit.json`` and for the end of the learner."""
        self.wait(lambda: self.folder.exit.exists(), "exit.json", LONGEST)
        mark = read_job_file(self.folder.run, ProcessIdentity)
        assert mark is not None
        self.wait(lambda: identify(mark.pid) != mark, "the learner's end")
        ended = read_job_file(self.folder.exit, ExitFile)
        assert ended is not None
        return ended

    def run(self, command: str, **spec: Any) -> ExitFile:
        self.start(command, **spec)
        return self.end()

    def wait(self, holds: Callable[[], bool], what: str, seconds: float = WAIT_TIMEOUT) -> None:
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"{what} does not come; {self.logs()}"
            time.sleep(0.01)

    def logs(self) -> str:
        """The content of all logs of the job."""
        logs = [self.folder.log, *self.folder.subdirectory("logs").glob("*")]
        return "\n".join(f"--- {one.name}\n{one.read_text()}" for one in logs if one.is_file())

    def output(self) -> list[str]:
        """The lines of the log that the command has written."""
        return [line for line in self.folder.log.read_text().splitlines() if not line.startswith("[dlaas] ")]

    def data(self) -> DataFile:
        """What the learner has reported about the training data."""
        found = read_job_file(self.folder.data_report, DataFile)
        assert found is not None
        return found

    def phase(self) -> str | None:
        mark = read_job_file(self.folder.phase, PhaseFile)
        return None if mark is None else str(mark.phase)

    def log_contains(self, text: str) -> bool:
        """Whether the command has printed *text*."""
        return self.folder.log.exists() and text in self.folder.log.read_text()


def a_zip(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return packed.getvalue()


@pytest.fixture
def own_swift(tmp_path: Path) -> Iterator[EmbeddedSwift]:
    """A store of the test's own, running, to be stopped and started again at the same address."""
    with EmbeddedSwift(
        tmp_path / "swift", port=ports.find_free_ports()[0], user="dlaas:trainer", key="made-up-key-of-the-tests"
    ) as store:
        yield store


@pytest.fixture(scope="session")
def bubblewrap() -> None:
    """Bubblewrap, working."""
    if not bubblewrap_works():
        pytest.skip(NO_BUBBLEWRAP)


@pytest.fixture
def zipped() -> Callable[[dict[str, str]], bytes]:
    """Makes a zip of texts by name."""
    return a_zip


@pytest.fixture
def job(tmp_path: Path, swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A job to be prepared; nothing of it is running any more at the end of the test."""
    monkeypatch.setenv("DLAAS_PASSWORD", "a-setting-of-the-service")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-service")
    made = Job(tmp_path / f"training-{uuid.uuid4().hex[:9]}", swift, LocalRunner())
    yield made
    mark = read_job_file(made.folder.run, ProcessIdentity)
    if mark is not None and identify(mark.pid) == mark:
        with contextlib.suppress(psutil.NoSuchProcess):  # it may end by itself meanwhile
            learner = psutil.Process(mark.pid)
            for one in (*learner.children(recursive=True), learner):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
