"""
The job directory: how dispatcher, learner and API speak of one run without speaking to each other.

One folder a training, ``<data>/jobs/<training id>/``::

    spec.json      in   what to run, no secrets
    secrets.json   in   the definition with secrets (0600); the learner reads and removes it before anything else
    run.json       out  who the learner is: written once, exclusively, so a job can't be started twice
    phase.json     out  where in its life it is, and was
    usage.json     out  what its command used a moment ago
    boards.json    out  where its TensorBoard event files are
    log            out  stdout and stderr of the command, append-only: `training-log.txt` of the results
    output         ---  the pipe that the command writes to and the learner copies to the log, while the command runs
    metrics.jsonl  out  metrics found in the log, one `Metric` a line, append-only
    exit-if-lost.json  out  how it ends if the learner is lost while it stores: from the command's end to exit.json
    exit.json      out  how it ended; there once, complete, and last
    code/ data/ results/ checkpoints/ logs/     the command's own folders (MODEL_DIR, DATA_DIR, RESULT_DIR, …)

All files but the append-only ones are written aside, synced and renamed: a reader sees all of one or nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, Field, field_validator

from airflow_dlaas.contract.base import ApiModel, Timestamp
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import PhaseTime
from airflow_dlaas.service.config.object_store_allowlist import ALLOW_ANY, ObjectStoreAllowlist
from airflow_dlaas.service.regular_file import open_regular_file

W = TypeVar("W", bound=BaseModel)

IsolationMode = Literal["auto", "bubblewrap", "none"]
"""
What is to keep a command from the rest of the machine: bubblewrap where it works, or else nothing; bubblewrap, or else
the training does not run; nothing. A container keeps its command apart by itself.
"""

READ_ERRORS = (OSError, ValueError)
"""What `read_job_file` raises where something else is there: damaged content, a directory, a loop of links."""

_MISSING_ERRNOS = frozenset({errno.ENOTDIR, errno.ELOOP})
"""Of a job's folder that is no folder: no file is in it."""

MAX_JOB_FILE_SIZE = 16 * 1024**2
"""Bytes of a mark; the largest has a definition, of which a request has 1 MiB at most."""

DEFAULT_LOG_LIMIT = 1024**3
"""Bytes of a log: far more than anybody reads, and far less than a disk."""


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("must be a point in time that exists in UTC") from None


UtcTimestamp = Annotated[Timestamp, AfterValidator(_to_utc)]
"""A point in time that the store can hold."""


class RuntimeSpec(ApiModel):
    """A catalogue entry, resolved: all the learner needs to provide it."""

    key: str
    kind: str
    """``uv``, ``venv``, ``prefix`` or ``container``."""
    provides: str
    requirements: tuple[str, ...] = ()
    """For ``uv``: what is installed into the environment."""
    otherwise: tuple[str, ...] = ()
    """For ``uv``: what is installed instead where `requirements` cannot be had."""
    room: int = 0
    """For ``uv``: bytes of disk the environment needs."""
    python: str | None = None
    """For ``uv``: the interpreter (version or path) to make it with; for ``venv``: its ``bin`` folder."""
    path: tuple[str, ...] = ()
    ld_library_path: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    shim: str | None = None
    """Name of a compatibility layer put on PYTHONPATH."""
    image: str | None = None
    compatibility: bool = False


class JobSpec(ApiModel):
    """What to run."""

    training_id: str
    command: str
    runtime: RuntimeSpec
    code: Path
    """The zip."""
    environments: Path
    """Folder where uv-made environments are kept and shared."""
    gpus: tuple[str, ...]
    """Names of the booked slots; ``virtual:N`` ones are no devices."""
    timeout: float | None = None
    """Seconds the command may take; None: as long as it wants."""
    allow_nested: bool = False
    """Whether the zip may hold folders (ours; the page says flat)."""
    unpacked_limit: int = 2 * 1024**3
    """Bytes the zip may unpack to."""
    isolation: IsolationMode = "auto"
    visible: tuple[Path, ...] = ()
    """What an isolated command may read besides system, runtime and its own folders: data of the site's, say."""
    log_limit: int = DEFAULT_LOG_LIMIT
    """Bytes of the command's output that are kept."""
    object_stores: ObjectStoreAllowlist = ALLOW_ANY
    """The object stores that the learner may call; the specs of earlier releases name none."""


class ProcessIdentity(ApiModel):
    """Who the learner is. A process is this learner only if all three agree: pids are reused, and reboots happen."""

    pid: int
    start_ticks: int
    boot_id: str


class PhaseFile(ApiModel):
    """Where in its life a job is, and since when."""

    phase: Phase
    since: UtcTimestamp
    before: tuple[PhaseTime, ...] = ()
    """The phases it has gone through before."""
    isolation: str | None = None
    """What keeps the command from the rest of the machine: ``bubblewrap``, ``container`` or ``none``."""


class EventDirsFile(ApiModel):
    """Where TensorBoard event files lie, by the names they are stored under."""

    folders: tuple[str, ...]


class ExitFile(ApiModel):
    """How a job ended."""

    state: TrainingState
    exit_code: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    """The command's own, 128 + N where signal N ended it; None where it never ran."""
    code: str | None = None
    """One of `airflow_dlaas.contract.error.RUN_CODES`."""
    reason: str | None = None
    stored: bool = False
    """Whether anything lies in the results container."""
    isolation: str | None = Field(default=None, max_length=16)
    """What kept the command from the rest of the machine; None where it never came to that."""
    warnings: tuple[str, ...] = ()
    """What did not count for the end: files that could not be stored, each with the reason."""
    finished_at: UtcTimestamp

    @field_validator("state")
    @classmethod
    def _require_final_state(cls, value: TrainingState) -> TrainingState:
        if not value.is_final:
            raise ValueError("must be a final state")
        return value


class ExitIfLostFile(ExitFile):
    """How a job ends if its learner is lost while it stores the results. Such a job has not completed."""

    @field_validator("state")
    @classmethod
    def _require_not_completed(cls, value: TrainingState) -> TrainingState:
        if value is TrainingState.COMPLETED:
            raise ValueError("must not be completed: the results of a lost learner may be incomplete")
        return value


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """The paths of one job, and the only way its marks are read and written."""

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def run(self) -> Path:
        return self.path / "run.json"

    @property
    def phase(self) -> Path:
        return self.path / "phase.json"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def usage(self) -> Path:
        return self.path / "usage.json"

    @property
    def event_dirs(self) -> Path:
        return self.path / "boards.json"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"

    @property
    def exit_if_lost(self) -> Path:
        return self.path / "exit-if-lost.json"

    def subdirectory(self, name: str) -> Path:
        """One of the command's own folders."""
        return self.path / name

    def erase_secrets(self) -> None:
        """Remove the secrets, and what a write of them that was broken off has left; nothing there is no error."""
        for path in (self.secrets, *self.path.glob(f".{self.secrets.name}.*")):
            try:
                path.unlink(missing_ok=True)
            except IsADirectoryError:  # noqa: PERF203 - one that fails must not keep the others
                remove_folder(path)  # a command's; no secret of ours is in a folder
            except OSError as error:
                if error.errno not in _MISSING_ERRNOS:
                    raise

    def delete(self) -> None:
        """
        Delete the job directory with all that is in it.

        No error if it does not exist. What cannot be removed stays, without an error; a later call tries it again.
        """
        remove_folder(self.path)


def remove_folder(folder: Path) -> None:
    """
    Remove *subdirectory* with all that is in it; what cannot be removed stays.

    A command can make folders a thousand deep, for which `shutil.rmtree` has neither the stack (before Python 3.13) nor
    the file descriptors.
    """
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)


def read_job_file(path: Path, model: type[W]) -> W | None:
    """
    Read the mark at *path*; None where it was not written (yet).

    A command without a sandbox can put anything in its place: a pipe blocks no reader, and a file without end fills no
    memory.

    :raises UNREADABLE: something else is there.
    """
    try:
        with open_regular_file(path) as file:
            content = file.read(MAX_JOB_FILE_SIZE + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_JOB_FILE_SIZE:
        raise ValueError(f"longer than {MAX_JOB_FILE_SIZE:,} bytes")
    return model.model_validate_json(content)


def write_text_atomic(path: Path, content: str, *, mode: int = 0o644) -> None:
    """Write *content* at *path*, whole and durable or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
