"""
The JSON files in which a learner reports about its job. No I/O.

`airflow_dlaas.service.job_files` has their paths.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from airflow_dlaas.contract.attempts import CheckpointReport, ResumedFrom
from airflow_dlaas.contract.base import ApiModel, Timestamp
from airflow_dlaas.contract.data_report import DataReport, LoadProgress
from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.training import PhaseTime


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(timezone.utc)
    except OverflowError:
        raise ValueError("must be a point in time that exists in UTC") from None


UtcTimestamp = Annotated[Timestamp, AfterValidator(_to_utc)]
"""A point in time that the store can hold."""


class ProcessIdentity(ApiModel):
    """
    Identifies a learner's process. All three fields must agree: pids are reused, and the machine may have rebooted.
    """

    pid: int
    start_ticks: int
    boot_id: str


NO_PROCESS = ProcessIdentity(pid=0, start_ticks=0, boot_id="")
"""Content of run.json of a job that was abandoned before a learner claimed it: no process has this identity."""


class PhaseFile(ApiModel):
    """phase.json: the phase that a job is in, and since when."""

    phase: Phase
    since: UtcTimestamp
    before: tuple[PhaseTime, ...] = ()
    """The earlier phases."""
    isolation: str | None = None
    """How the command is isolated from the rest of the machine: ``bubblewrap``, ``container`` or ``none``."""
    attempt: int = 1


class CheckpointsFile(ApiModel):
    """checkpoints.json: the checkpoints of a training."""

    newest: CheckpointReport | None = None
    """The newest complete one in the results container."""
    resumed_from: ResumedFrom | None = None
    """The one that the present attempt began with."""


class DataFile(ApiModel):
    """data.json: the training data of the present attempt."""

    loading: LoadProgress | None = None
    """The progress, as long as the data is loaded."""
    report: DataReport | None = None
    """What was read; None until all of it is in place."""
    attempt: int = 1


class EventDirsFile(ApiModel):
    """boards.json: the directories of TensorBoard event files, by the names under which they are stored."""

    folders: tuple[str, ...]


class ResourcesFile(ApiModel):
    """resources.json: the resources that the command was given and used; see `ResourceReport`."""

    given: ResourceAmounts
    used: ResourceAmounts | None = None
    enforced: tuple[str, ...] = ()
    enforced_by: str
    groups: tuple[Path, ...] = ()
    """The directories of its control group. They exist while the command runs, and if its learner was lost."""


class ExitFile(ApiModel):
    """exit.json: how a job ended."""

    state: TrainingState
    exit_code: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    """The exit code of the command, 128 + N if signal N ended it; None if it never ran."""
    code: str | None = None
    """One of `airflow_dlaas.contract.error.TRAINING_ERROR_CODES`."""
    reason: str | None = None
    stored: bool = False
    """Whether anything was stored in the results container."""
    isolation: str | None = Field(default=None, max_length=16)
    """How the command was isolated from the rest of the machine; None if it never started."""
    warnings: tuple[str, ...] = ()
    """Problems that do not change the outcome: files that could not be stored, each with the reason."""
    finished_at: UtcTimestamp
    attempt: int = 1
    was_stopped: bool = False
    """Whether the learner stopped the command: for a cancel request, a time limit or the watchdog."""

    @field_validator("state")
    @classmethod
    def _require_final_state(cls, value: TrainingState) -> TrainingState:
        if not value.is_final:
            raise ValueError("must be a final state")
        return value


class ExitIfLostFile(ExitFile):
    """exit-if-lost.json: how a job ends if its learner is lost while it stores the results. It never completes then."""

    @field_validator("state")
    @classmethod
    def _require_not_completed(cls, value: TrainingState) -> TrainingState:
        if value is TrainingState.COMPLETED:
            raise ValueError("must not be completed: the results of a lost learner may be incomplete")
        return value
