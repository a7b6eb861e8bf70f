"""Putting a job folder in place for the learner."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.service.config.object_store_allowlist import ALLOW_ANY, ObjectStoreAllowlist
from airflow_dlaas.service.job_files import (
    DEFAULT_LOG_LIMIT,
    ExitFile,
    IsolationMode,
    JobDirectory,
    JobSpec,
    ProcessIdentity,
    RuntimeSpec,
    write_text_atomic,
)
from airflow_dlaas.service.store.base import TrainingOutcome, TrainingRecord

NO_PROCESS = ProcessIdentity(pid=0, start_ticks=0, boot_id="")
"""What run.json says of a job that was closed before a learner came: no process is that."""


@dataclass(frozen=True, slots=True)
class JobDirectories:
    """What all jobs of this service have in common: where things lie, and the limits they run under."""

    jobs_dir: Path
    """One folder a training in here."""
    environments_dir: Path
    """Where uv-made environments are kept and shared."""
    code_path: Callable[[str], Path]
    """Where the zip with this digest lies."""
    runtime_spec: Callable[[str], RuntimeSpec]
    """The catalogue's entry with this key; raises a `DlaasError` where the catalogue has lost it."""
    run_timeout: float | None = None
    """Seconds a command may take; None: as long as it wants."""
    allow_nested: bool = False
    max_unpacked_bytes: int = 2 * 1024**3
    """Bytes a zip may unpack to."""
    isolation: IsolationMode = "auto"
    readable_paths: tuple[Path, ...] = ()
    """What isolated commands may read besides the system, their runtime and their own folders."""
    max_log_bytes: int = DEFAULT_LOG_LIMIT
    """Bytes of a command's output that are kept."""
    allowed_stores: ObjectStoreAllowlist = ALLOW_ANY
    """The object stores that learners may call."""

    def job_directory(self, training_id: str) -> JobDirectory:
        """The job folder of a training, there or not."""
        return JobDirectory(self.jobs_dir / training_id)

    def prepare_job(self, training: TrainingRecord, definition: TrainingDefinition) -> JobDirectory:
        """
        Put the job folder of a booked training in place; safe to repeat.

        A job that a learner has taken is left as it is: that learner has read and removed the secrets, and nobody would
        remove them a second time.
        """
        job = self.job_directory(training.id)
        if os.path.lexists(job.run):
            return job
        job.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text_atomic(
            job.secrets, json.dumps(definition.model_dump(mode="json", context=REVEAL_SECRETS)), mode=0o600
        )
        write_text_atomic(job.spec, self.build_spec(training, definition).model_dump_json())
        return job

    def abandon_unclaimed(self, training_id: str, outcome: TrainingOutcome) -> bool:
        """
        Take the job in a learner's place, and leave *outcome* as its end; False where a learner was quicker.

        Where there is no folder, or no room in it, there is nothing for a learner to begin with: that is True.
        """
        job = self.job_directory(training_id)
        temp_path = job.path / f".run.{os.getpid()}"
        try:
            temp_path.write_text(NO_PROCESS.model_dump_json(), encoding="utf-8")
            os.link(temp_path, job.run)
        except OSError:
            return not os.path.lexists(job.run)
        finally:
            with contextlib.suppress(OSError):
                temp_path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # The store will say the same in a moment, unless it cannot be reached.
            write_text_atomic(job.exit, _exit_file(outcome).model_dump_json())
        return True

    def build_spec(self, training: TrainingRecord, definition: TrainingDefinition) -> JobSpec:
        """Say what to run, without secrets."""
        return JobSpec(
            training_id=training.id,
            command=definition.model_definition.execution.command,
            runtime=self.runtime_spec(training.runtime),
            code=self.code_path(training.code),
            environments=self.environments_dir,
            gpus=training.gpus,
            timeout=self.run_timeout,
            allow_nested=self.allow_nested,
            unpacked_limit=self.max_unpacked_bytes,
            isolation=self.isolation,
            visible=self.readable_paths,
            log_limit=self.max_log_bytes,
            object_stores=self.allowed_stores,
        )


def _exit_file(outcome: TrainingOutcome) -> ExitFile:
    error = outcome.error
    return ExitFile(
        state=outcome.state,
        exit_code=outcome.exit_code,
        code=error.code if error else None,
        reason=error.message if error else None,
        finished_at=outcome.finished_at,
    )
