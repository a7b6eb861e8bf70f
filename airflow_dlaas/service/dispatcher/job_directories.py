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
from airflow_dlaas.service.config.object_store_allowlist import ANY, AllowedStores
from airflow_dlaas.service.job_files import (
    LOG_LIMIT,
    Exit,
    IsolationWish,
    JobFolder,
    RunMark,
    RuntimeSpec,
    Spec,
    write_mark,
)
from airflow_dlaas.service.store.base import Outcome, TrainingRecord

NOBODY = RunMark(pid=0, start_ticks=0, boot_id="")
"""What run.json says of a job that was closed before a learner came: no process is that."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What all jobs of this service have in common: where things lie, and the limits they run under."""

    jobs: Path
    """One folder a training in here."""
    environments: Path
    """Where uv-made environments are kept and shared."""
    code: Callable[[str], Path]
    """Where the zip with this digest lies."""
    runtime: Callable[[str], RuntimeSpec]
    """The catalogue's entry with this key; raises a `DlaasError` where the catalogue has lost it."""
    run_limit: float | None = None
    """Seconds a command may take; None: as long as it wants."""
    allow_nested: bool = False
    unpacked_limit: int = 2 * 1024**3
    """Bytes a zip may unpack to."""
    isolation: IsolationWish = "auto"
    visible: tuple[Path, ...] = ()
    """What isolated commands may read besides the system, their runtime and their own folders."""
    log_limit: int = LOG_LIMIT
    """Bytes of a command's output that are kept."""
    object_stores: AllowedStores = ANY
    """The object stores that learners may call."""

    def folder(self, training_id: str) -> JobFolder:
        """The job folder of a training, there or not."""
        return JobFolder(self.jobs / training_id)

    def hand_over(self, training: TrainingRecord, definition: TrainingDefinition) -> JobFolder:
        """
        Put the job folder of a booked training in place; safe to repeat.

        A job that a learner has taken is left as it is: that learner has read and removed the secrets, and nobody would
        remove them a second time.
        """
        job = self.folder(training.id)
        if os.path.lexists(job.run):
            return job
        job.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_mark(job.secrets, json.dumps(definition.model_dump(mode="json", context=REVEAL_SECRETS)), mode=0o600)
        write_mark(job.spec, self.spec(training, definition).model_dump_json())
        return job

    def close(self, training_id: str, outcome: Outcome) -> bool:
        """
        Take the job in a learner's place, and leave *outcome* as its end; False where a learner was quicker.

        Where there is no folder, or no room in it, there is nothing for a learner to begin with: that is True.
        """
        job = self.folder(training_id)
        aside = job.path / f".run.{os.getpid()}"
        try:
            aside.write_text(NOBODY.model_dump_json(), encoding="utf-8")
            os.link(aside, job.run)
        except OSError:
            return not os.path.lexists(job.run)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # The store will say the same in a moment, unless it cannot be reached.
            write_mark(job.exit, _exit(outcome).model_dump_json())
        return True

    def spec(self, training: TrainingRecord, definition: TrainingDefinition) -> Spec:
        """Say what to run, without secrets."""
        return Spec(
            training_id=training.id,
            command=definition.model_definition.execution.command,
            runtime=self.runtime(training.runtime),
            code=self.code(training.code),
            environments=self.environments,
            gpus=training.gpus,
            timeout=self.run_limit,
            allow_nested=self.allow_nested,
            unpacked_limit=self.unpacked_limit,
            isolation=self.isolation,
            visible=self.visible,
            log_limit=self.log_limit,
            object_stores=self.object_stores,
        )


def _exit(outcome: Outcome) -> Exit:
    error = outcome.error
    return Exit(
        state=outcome.state,
        exit_code=outcome.exit_code,
        code=error.code if error else None,
        reason=error.message if error else None,
        finished_at=outcome.finished_at,
    )
