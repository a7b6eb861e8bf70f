"""The records of the store. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.data_report import DataReport
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.job_spec import CheckpointSource


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment; its metadata never change, by the documentation of the API."""

    id: str
    owner: str
    draft: Mapping[str, Any]
    """The JSON that it was created from."""
    created_at: datetime
    unreadable_columns: str | None = None
    """Columns of the row that cannot be read, if there are any; their fields have placeholders."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version of an experiment's code."""

    id: str
    experiment_id: str
    number: int
    created_at: datetime
    digest: str | None = None
    """SHA-256 of the archive, which identifies its content; None until it is uploaded."""
    size: int | None = None
    """Bytes of the archive."""
    unreadable_columns: str | None = None
    """Columns of the row that cannot be read, if there are any; their fields have placeholders."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A training."""

    id: str
    owner: str
    definition: Mapping[str, Any]
    """The JSON of the request with every secret masked, as responses show it."""
    code: str
    """SHA-256 of the archive that the training runs, fixed when it is submitted."""
    slots: int
    """Number of GPU slots that it needs."""
    runtime: str
    """Key of the catalogue entry that it runs on, fixed when it is submitted."""
    provides: str
    """Description of what that entry runs."""
    state: TrainingState
    submitted_at: datetime
    modified_at: datetime
    phase: Phase | None = None
    running_at: datetime | None = None
    """When its first attempt was observed to run."""
    finished_at: datetime | None = None
    gpus: tuple[str, ...] = ()
    """Names of its reserved GPU slots, which stay recorded. It holds them from its start until its command has ended
    and its results are being stored (phase `storing`). None between two attempts."""
    handle: str | None = None
    """The runner's name for the job of its attempt; None until that is started."""
    started_at: datetime | None = None
    """When the slots of its attempt were reserved; its state may still be `pending`. None between two attempts."""
    cancel_requested: bool = False
    exit_code: int | None = None
    error: ErrorItem | None = None
    stored: bool = False
    """Whether anything was stored in the results container."""
    isolation: str | None = None
    """How its command was isolated from the rest of the machine; None until it ends, and if the command never
    started."""
    acknowledged_at: datetime | None = None
    """When its client confirmed that it has the result; None until then."""
    note: str = ""
    """The note that people gave it."""
    tags: tuple[str, ...] = ()
    """The tags that people gave it."""
    attempt: int = 1
    """The number of its attempt, from 1. Between two attempts, that of the next one, which is not started yet."""
    ended_attempts: tuple[AttemptReport, ...] = ()
    """The attempts before, the first one first."""
    checkpoint_sources: tuple[CheckpointSource, ...] = ()
    """Earlier trainings with whose checkpoints it may begin, fixed when it is submitted; see `JobSpec`."""
    data_report: DataReport | None = None
    """What its last attempt has read; None until it ends, and if its data was not in place then."""
    revision: int = 0
    """Increases with every change of any training: the cursor of `Store.list_changes`."""
    unreadable_columns: str | None = None
    """Columns of the row that cannot be read, if there are any; their fields have placeholders."""

    @property
    def was_started(self) -> bool:
        """Whether any attempt was started, so that there is a job directory."""
        return self.started_at is not None or self.attempt > 1


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a training ended."""

    state: TrainingState
    finished_at: datetime
    exit_code: int | None = None
    error: ErrorItem | None = None
    stored: bool = False
    isolation: str | None = None
    stalled_seconds: float = 0.0
    """Seconds in which its watchdog found that the command did no work."""
    data_report: DataReport | None = None
    """What it has read as training data."""


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """Numbers of trainings, of all owners together. A mapping may lack keys whose number is 0."""

    by_state: Mapping[TrainingState, int]
    errors_by_code: Mapping[str, int]
    """Trainings in state `error`, by their error code."""
    queued: int
    """Trainings that wait for GPU slots, those between two attempts included."""
    oldest_queued_at: datetime | None
    """Since when the training that has waited longest waits: since its submission or the end of its last attempt."""
    slots_held: int
    """GPU slots that trainings hold."""
    lease_expiry: Mapping[str, datetime]
    """Lease expiry per role; in the past if the role has no holder."""
    unknown_states: int = 0
    """Trainings with a state that this version does not know."""
    recovering: int = 0
    """Queued trainings between two attempts."""
