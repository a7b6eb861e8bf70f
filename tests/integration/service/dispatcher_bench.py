"""A dispatcher with a real store, real job directories, a fake runner and a clock of the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.job_files import JobDirectory, write_job_file
from airflow_dlaas.service.job_reports import ExitFile, PhaseFile
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.records import TrainingRecord
from airflow_dlaas.service.store.sql import SqlStore

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SECRET = "hush-7f3a"


@dataclass
class FakeRunner:
    """A fake runner: it starts nothing, and reports the liveness that the test sets."""

    started: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    killed_leftovers: list[str] = field(default_factory=list)
    liveness: dict[str, Liveness] = field(default_factory=dict)
    fails_to_start: bool = False
    on_poll: Callable[[], object] | None = None
    """Called during the next poll, for changes at that moment."""
    on_start: Callable[[], object] | None = None

    def start(self, job: JobDirectory) -> str:
        if self.fails_to_start:
            raise HostError("no more processes")
        if self.on_start is not None:
            self.on_start()
        self.started.append(job.path.name)
        return f"handle of {job.path.name}"

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        action, self.on_poll = self.on_poll, None
        if action is not None:
            action()
        return {handle: self.liveness.get(handle.removeprefix("handle of "), Liveness.ALIVE) for handle in jobs}

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        assert set(handles) == set(jobs)
        self.stopped += [handle.removeprefix("handle of ") for handle in handles]

    def kill_leftovers(self, job: JobDirectory) -> None:
        self.killed_leftovers.append(job.path.name)


@dataclass
class Clock:
    """A wall clock (`now`) and a monotonic clock (`seconds`)."""

    now: datetime = NOW
    seconds: float = 1000.0

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.seconds


class Bench:
    """A dispatcher with a store, a fake runner, job directories and a clock."""

    def __init__(self, folder: Path, store: SqlStore) -> None:
        self.store, self.runner, self.clock = store, FakeRunner(), Clock()
        self.job_directories = JobDirectories(
            jobs_dir=folder / "jobs",
            environments_dir=folder / "environments",
            code_path=lambda digest: folder / "blobs" / digest,
            runtime_spec=lambda key: RuntimeSpec(key=key, kind="prefix", provides="something", path=("/bin",)),
            run_timeout=60,
        )
        self.dispatcher = self.new_dispatcher("one")

    def new_dispatcher(self, holder: str) -> Dispatcher:
        inventory = ("virtual:0", "virtual:1", "virtual:2", "virtual:3")
        return Dispatcher(
            self.store,
            self.runner,
            self.job_directories,
            slots=inventory,
            lease_holder=holder,
            clock=self.clock,
            monotonic_clock=self.clock.monotonic,
        )

    def submit(self, id: str, slots: int = 1, **definition: object) -> str:
        """Submit a training; of its definition as responses show it, only the keys *definition* are there."""
        record = TrainingRecord(
            id=id,
            owner="dlaas",
            definition=definition,
            code="a" * 64,
            slots=slots,
            runtime="tensorflow-test",
            provides="something",
            state=TrainingState.PENDING,
            phase=Phase.QUEUED,
            submitted_at=self.clock.now,
            modified_at=self.clock.now,
        )
        self.store.create_training(record, example_definition(), key=None, request_digest="")
        return id

    def training(self, id: str) -> TrainingRecord:
        return self.store.get_training("dlaas", id)

    def write_phase(self, id: str, phase: Phase, attempt: int = 1) -> None:
        phase_file = PhaseFile(phase=phase, since=self.clock.now, attempt=attempt)
        write_job_file(self.job_directories.job_directory(id).phase, phase_file)

    def write_exit(
        self, id: str, state: TrainingState = TrainingState.COMPLETED, exit_code: int = 0, attempt: int = 1
    ) -> None:
        left = ExitFile(state=state, exit_code=exit_code, stored=True, finished_at=self.clock.now, attempt=attempt)
        write_job_file(self.job_directories.job_directory(id).exit, left)

    def pass_time(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)
        self.clock.seconds += seconds

    def shift_wall_clock(self, seconds: float) -> None:
        self.clock.now += timedelta(seconds=seconds)


def example_definition() -> TrainingDefinition:
    connection = {"auth_url": "http://127.0.0.1:1/auth/v1.0", "userId": "a:b", "password": SECRET}
    place = {"container": "data", "type": "softlayer_objectstore"}
    return TrainingDefinition.parse(
        {
            "model_definition": {
                "name": "a",
                "definition_location": "/v3/ml_assets/experiments/1",
                "framework": {"name": "tensorflow", "version": "test"},
                "execution": {"command": "true", "resourceType": "small"},
            },
            "training_data": [{"connection": connection, "source": place}],
        }
    )


class CountingStore:
    """The store, with a count of the calls of each method."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        self.calls[name] += 1
        return getattr(self._store, name)


class FlakyStore:
    """The store while its database restarts: one method fails, a given number of times."""

    def __init__(self, store: SqlStore, method: str, times: int = 1) -> None:
        self._store, self._method, self._left = store, method, times

    def __getattr__(self, name: str) -> object:
        if name == self._method and self._left:
            self._left -= 1
            return self._fail
        return getattr(self._store, name)

    def _fail(self, *_arguments: object, **_named: object) -> None:
        raise HostError("The database failed (OperationalError)")
