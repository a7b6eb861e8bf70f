"""
The job directory: the files by which dispatcher, learner and API exchange information about one training.

There is one directory for each training, ``<data>/jobs/<training id>/``::

    spec.json      in   what to run, without secrets
    secrets.json   in   the definition with its secrets (0600); the learner reads and removes it before anything else
    run.json       out  identity of the learner: created once, exclusively, so that a job cannot be started twice
    phase.json     out  the current phase and the earlier ones
    usage.json     out  recent resource usage of the command
    usage.jsonl    out  its resource usage from the start on, one `ResourceUsage` a line; older lines are merged
    resources.json out  what the command was given and used, and how that is enforced
    stalls.json    out  times in which the watchdog found no work (`airflow_dlaas.service.stall_report`)
    checkpoints.json  out  the newest complete checkpoint, and the one that the attempt began with
    data.json      out  the progress of the training data, and what was read
    training-data.json  out  the manifest of the training data, which is stored with the results
    boards.json    out  directories with TensorBoard event files
    log            out  stdout and stderr of the command, append-only: `training-log.txt` of the results
    output         ---  the pipe from the command to the learner, which copies it to the log while the command runs
    requirements.lock  out  the packages that were installed for the code, if it requires any
    metrics.jsonl  out  metrics found in the log, one `Metric` a line, append-only
    exit-if-lost.json  out  the outcome if the learner is lost while it stores: from the command's end to exit.json
    exit.json      out  the outcome; written once, complete, as the last file
    staging/       ---  hard links to files of CHECKPOINT_DIR that are being stored
    code/ data/ results/ checkpoints/ logs/     the command's own directories (MODEL_DIR, DATA_DIR, RESULT_DIR, …)

All files except the append-only ones are written atomically and synced: a reader sees the whole file or none.

All attempts of a training have this directory; `airflow_dlaas.service.job_attempts` puts the files of one away before
the next. Files that decide anything have the number of their attempt.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.contract.data_manifest import MANIFEST_BASENAME
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.service.job_reports import NO_PROCESS, ExitFile
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.regular_file import open_regular_file

ModelT = TypeVar("ModelT", bound=BaseModel)

READ_ERRORS = (OSError, ValueError)
"""What `read_job_file` raises for damaged content, a directory or a loop of links."""

_MISSING_ERRNOS = frozenset({errno.ENOTDIR, errno.ELOOP})
"""Errors for a job directory that is no directory: no file is in it."""

MAX_JOB_FILE_SIZE = 16 * 1024**2
"""Bytes of a JSON file in a job directory; the largest contains a definition, which has 1 MiB at most in a request."""


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """
    The owner of one job's files: their paths, and how the directory is created, abandoned and deleted.

    Its JSON files are read by `read_job_file` and written by `write_job_file`.
    """

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets.json"

    @property
    def container_environment(self) -> Path:
        """The variables of a command in a container, its secrets included; only while it runs."""
        return self.path / "container-environment"

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
    def usage_history(self) -> Path:
        return self.path / "usage.jsonl"

    @property
    def resources(self) -> Path:
        return self.path / "resources.json"

    @property
    def stalls(self) -> Path:
        return self.path / "stalls.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints.json"

    @property
    def data_report(self) -> Path:
        return self.path / "data.json"

    @property
    def data_manifest(self) -> Path:
        return self.path / MANIFEST_BASENAME

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
        """Return the path of one of the command's own directories."""
        return self.path / name

    @property
    def is_claimed(self) -> bool:
        """Whether a learner has claimed the job, or the dispatcher has abandoned it: run.json exists."""
        return os.path.lexists(self.run)  # `exists` follows links, and counts a loop of links as nothing

    def create(self, spec: JobSpec, definition: TrainingDefinition) -> None:
        """
        Create the directory with spec.json and secrets.json; safe to repeat until a learner claims the job.

        The directory is private to this user, and so is secrets.json.

        :raises OSError: it cannot be written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        secrets = json.dumps(definition.model_dump(mode="json", context=REVEAL_SECRETS))
        atomic_write_text(self.secrets, secrets, mode=0o600, fsync=True)
        write_job_file(self.spec, spec)

    def abandon(self, exit_file: ExitFile) -> bool:
        """
        Claim the job in place of a learner, so that no learner claims it later, and end it with *exit_file*.

        Return False if a learner, or an earlier call, has claimed it before. Return True if there is no directory, or
        no space in it: no learner can start there. exit.json may be missing then.
        """
        try:
            atomic_write_text(self.run, NO_PROCESS.model_dump_json(), overwrite=False)
        except OSError:
            return not self.is_claimed
        with suppress(OSError):  # The store records the same outcome next, unless it is unreachable.
            write_job_file(self.exit, exit_file)
        return True

    def erase_secrets(self) -> None:
        """Remove all files with secrets, and what an interrupted write has left; no error if there is nothing."""
        for path in (self.secrets, self.container_environment, *self.path.glob(f".{self.secrets.name}.*")):
            try:
                path.unlink(missing_ok=True)
            except IsADirectoryError:  # noqa: PERF203 - one failure must not keep the other files
                remove_folder(path)  # The command made it; no secret of ours is in a directory.
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
    Remove *folder* with all that is in it; what cannot be removed stays, without an error.

    A command can nest directories a thousand levels deep. `shutil.rmtree` runs out of stack (before Python 3.13) and of
    file descriptors there; ``rm`` does not.
    """
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if os.path.lexists(folder):
        subprocess.run(["rm", "-rf", "--", folder], stderr=subprocess.DEVNULL, check=False)


def read_job_file(path: Path, model: type[ModelT]) -> ModelT | None:
    """
    Read the JSON file at *path*; None if it does not exist (yet).

    A command without a sandbox can replace the file by anything. A pipe does not block this function, and an endless
    file does not fill the memory.

    :raises READ_ERRORS: the file cannot be read, or its content is no *model*.
    """
    try:
        with open_regular_file(path) as file:
            content = file.read(MAX_JOB_FILE_SIZE + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_JOB_FILE_SIZE:
        raise ValueError(f"longer than {MAX_JOB_FILE_SIZE:,} bytes")
    return model.model_validate_json(content)


def write_job_file(path: Path, content: BaseModel) -> None:
    """
    Write *content* to *path* as JSON, atomically and durably.

    :raises OSError: the file cannot be written.
    """
    atomic_write_text(path, content.model_dump_json(), fsync=True)
