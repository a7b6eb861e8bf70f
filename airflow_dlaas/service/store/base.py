"""What a store keeps, and what each of its verbs guarantees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError

MAX_LEASE = timedelta(minutes=1)
"""Nobody leases for longer. A lease that has more to run was taken before the date was set back, and counts as lapsed:
it would keep everybody out until the date is there again."""


class DecryptionError(HostError):
    """Secrets cannot be read: another key sealed them, or they are damaged; trying again does not help."""


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """An experiment; its metadata never change [doc]."""

    id: str
    owner: str
    draft: Mapping[str, Any]
    """The JSON it was created from."""
    created_at: datetime
    unreadable_columns: str | None = None
    """Columns of its row that cannot be read, where there are any; the fields of these hold stand-ins."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version of an experiment's code."""

    id: str
    experiment_id: str
    number: int
    created_at: datetime
    digest: str | None = None
    """SHA-256 of the zip, by which its bytes are found; None until they were uploaded."""
    size: int | None = None
    """Bytes of the zip."""
    unreadable_columns: str | None = None
    """Columns of its row that cannot be read, where there are any; the fields of these hold stand-ins."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """A training run."""

    id: str
    owner: str
    definition: Mapping[str, Any]
    """The request's JSON with every secret masked: what is echoed in replies."""
    code: str
    """SHA-256 of the zip this training runs, fixed at submit."""
    slots: int
    """How many GPUs it needs."""
    runtime: str
    """Key of the catalogue entry it runs on, fixed at submit."""
    provides: str
    """What that entry really runs, in words."""
    state: TrainingState
    submitted_at: datetime
    modified_at: datetime
    phase: Phase | None = None
    running_at: datetime | None = None
    finished_at: datetime | None = None
    gpus: tuple[str, ...] = ()
    """Names of the GPU slots booked for it, kept as a record; it holds them from its start until its results are stored
    (phase `storing`), when its command has ended."""
    handle: str | None = None
    """How its runner finds it again; None until it was started."""
    started_at: datetime | None = None
    """When it was booked to start (the state may still be `pending`)."""
    cancel_requested: bool = False
    exit_code: int | None = None
    error: ErrorItem | None = None
    stored: bool = False
    """Whether anything of it lies in the results container."""
    isolation: str | None = None
    """What kept its command from the rest of the machine; None until its end, and where it never came to that."""
    acknowledged_at: datetime | None = None
    """When its client confirmed that it has taken the result; None until then."""
    revision: int = 0
    """Grows with every change of any training: the cursor of `Store.list_changes`."""
    unreadable_columns: str | None = None
    """Columns of its row that cannot be read, where there are any; the fields of these hold stand-ins."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a training ended."""

    state: TrainingState
    finished_at: datetime
    exit_code: int | None = None
    error: ErrorItem | None = None
    stored: bool = False
    isolation: str | None = None


@dataclass(frozen=True, slots=True)
class TrainingCounts:
    """How many trainings there are, of all owners together. What there is none of may be missing in a mapping."""

    by_state: Mapping[TrainingState, int]
    errors_by_code: Mapping[str, int]
    """Those that ended in `error`, by the code they ended with."""
    queued: int
    """Those that were not started yet."""
    oldest_queued_at: datetime | None
    """When the one that has waited longest was submitted."""
    slots_held: int
    """GPU slots that trainings hold."""
    lease_expiry: Mapping[str, datetime]
    """Until when each role is somebody's: a past time means that nobody fills it."""
    unknown_states: int = 0
    """Trainings in a state that this version does not know."""


class Store(Protocol):
    """
    Experiments, trainings, leases.

    Thread-safe. Every verb that changes something is one durable transaction: when it has returned, the
    change survives kill -9 and power loss. What belongs to another owner is not found. Verbs that look for one
    thing by id raise `airflow_dlaas.exceptions.NotFound`.

    A row that cannot be read fails no verb about other rows. It is given as a record with ``damage``.
    """

    # -- experiments ---------------------------------------------------------

    def create_experiment(self, experiment: ExperimentRecord, version: VersionRecord) -> None:
        """Keep a new experiment and its first, still empty, version."""

    def add_version(self, owner: str, experiment_id: str, version_id: str, now: datetime) -> VersionRecord:
        """Add the next version, numbered one above the newest."""

    def list_experiments(self, owner: str) -> Sequence[tuple[ExperimentRecord, VersionRecord]]:
        """All experiments with their newest version, newest first."""

    def get_experiment(self, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
        """One experiment with its newest version."""

    def list_versions(self, owner: str, experiment_id: str) -> Sequence[VersionRecord]:
        """All versions, oldest first."""

    def get_version(self, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
        """One version."""

    def set_content(self, owner: str, experiment_id: str, version_id: str, digest: str, size: int) -> None:
        """Say which bytes a version holds."""

    def delete_experiment(self, owner: str, experiment_id: str) -> None:
        """Forget an experiment and its versions. Trainings keep the digest of the code they run."""

    def list_used_digests(self) -> frozenset[str]:
        """Every digest that a version or an unfinished training still needs."""

    # -- trainings, the API's side -------------------------------------------

    def create_training(
        self,
        training: TrainingRecord,
        definition_with_secrets: TrainingDefinition,
        *,
        key: str | None,
        request_digest: str,
    ) -> tuple[TrainingRecord, bool]:
        """
        Keep a new training, with its definition as sent (secrets included) until its end.

        With a *key* (of `Idempotency-Key`) that this owner has used before, nothing is created: the training it
        created is returned, and False. Atomic: of two racing calls with one key, one creates.

        :raises Conflict: the key came with another *request_digest* before.
        """

    def find_by_key(self, owner: str, key: str, request_digest: str) -> TrainingRecord | None:
        """
        The training that *key* created; None where it created none.

        :raises Conflict: the key came with another *request_digest*.
        """

    def get_training(self, owner: str, training_id: str) -> TrainingRecord:
        """One training."""

    def list_trainings(self, owner: str, *, limit: int, before: str | None = None) -> Sequence[TrainingRecord]:
        """Up to *limit* trainings, newest first, those submitted before the training with id *before*."""

    def list_changes(self, owner: str, *, after: int, limit: int) -> Sequence[TrainingRecord]:
        """Trainings whose revision is above *after*, lowest revision first."""

    def current_revision(self) -> int:
        """The highest revision given so far; cheap enough to ask several times a second."""

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        """
        States of the trainings with these *ids*, of any owner; an id without a training is left out.

        A state that this version does not know is None. Nothing else of a record is read.
        """

    def count_trainings(self) -> TrainingCounts:
        """Count the trainings of all owners; no record is read for it."""

    def list_queue(self) -> Sequence[str]:
        """Ids of all trainings of any owner that were not started yet, in the order of submission."""

    def get_queue_position(self, training_id: str) -> int | None:
        """How many not yet started trainings of any owner come before this one; None once it was started."""

    def request_cancel(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        """
        Ask for a training's end.

        One that was not started becomes `canceled` at once; a started one is stopped by the dispatcher. A finished
        one stays as it is.
        """

    def acknowledge(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        """
        Record that the client has taken the result of a completed training; repeating it keeps the first time.

        Not a change in the sense of `list_changes`: the revision stays, so no long poll is answered because of it.

        :raises Conflict: the training is in any other state than `completed`.
        """

    def delete_training(self, owner: str, training_id: str) -> None:
        """
        Forget a finished training's history; its results stay where they are.

        :raises Conflict: it has not finished.
        """

    # -- trainings, the dispatcher's side ------------------------------------

    def acquire_lease(self, role: str, holder: str, now: datetime, until: datetime) -> bool:
        """
        Take or extend the lease on *role*: whether *holder* has it until *until*.

        It is given to one holder at a time, for `MAX_LEASE` at most; a lapsed one goes to whoever asks next.
        """

    def list_unfinished(self) -> Sequence[TrainingRecord]:
        """Every training in no final state, in the order of submission."""

    def get_definition_with_secrets(self, training_id: str) -> TrainingDefinition:
        """
        The definition as it was sent. Gone (`NotFound`) once the training has ended.

        :raises SealBroken: it cannot be read any more; the training cannot be started.
        """

    def reserve_gpus(self, training_id: str, gpus: Sequence[str], now: datetime) -> bool:
        """
        Book *gpus* for a training that is about to be started.

        False, and nothing changed, when it has ended, was started or a cancel was asked for meanwhile, or when another
        training holds one of *gpus* (it was started, and neither has ended nor stores its results): of two dispatchers
        that both believe to lead, one books.
        """

    def set_handle(self, training_id: str, handle: str) -> None:
        """Keep how the runner finds a booked training again."""

    def record_progress(self, training_id: str, state: TrainingState, phase: Phase | None, now: datetime) -> None:
        """Record progress; a change that `TRANSITIONS` does not allow is refused with `ValueError`."""

    def finish(self, training_id: str, outcome: TrainingOutcome) -> None:
        """
        Record the end and erase the secrets, in one transaction. A final state is final: a second end is ignored.
        Erased means from the disk, too, as far as the database lets go of it.

        One still `pending` may end as `completed`: it ran while no dispatcher looked.
        """
