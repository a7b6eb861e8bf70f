"""The interface of the store, with the guarantees of each method."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.store.maintenance import MaintenanceStore
from airflow_dlaas.service.store.records import (
    ExperimentRecord,
    TrainingCounts,
    TrainingOutcome,
    TrainingRecord,
    VersionRecord,
)
from airflow_dlaas.service.store.usage_record import UsageRecord

MAX_LEASE = timedelta(minutes=1)
"""The longest duration of a lease. A lease that expires later was acquired before the date was set back, and counts as
expired: otherwise no service could acquire it until the date is reached again."""


class DecryptionError(HostError):
    """Secrets cannot be decrypted: they were encrypted with another key, or are damaged. A retry does not help."""


class Store(Protocol):
    """
    Experiments, trainings, leases.

    Thread-safe. Every method that changes something is one durable transaction: after it has returned, the change
    survives kill -9 and power loss. A record of another owner is not found. Methods that look up one record by id raise
    `airflow_dlaas.exceptions.NotFound`.

    A row that cannot be read does not affect other rows. It is returned as a record with `unreadable_columns`.
    """

    @property
    def maintenance(self) -> MaintenanceStore:
        """Whether the service is drained, and which GPUs are cordoned."""

    # -- experiments ---------------------------------------------------------

    def create_experiment(self, experiment: ExperimentRecord, version: VersionRecord) -> None:
        """Create an experiment and its first version, which has no content yet."""

    def add_version(self, owner: str, experiment_id: str, version_id: str, now: datetime) -> VersionRecord:
        """Add a version; its number is one above the newest. Return it."""

    def list_experiments(self, owner: str) -> Sequence[tuple[ExperimentRecord, VersionRecord]]:
        """Return all experiments with their newest version, newest first."""

    def get_experiment(self, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
        """Return an experiment with its newest version."""

    def list_versions(self, owner: str, experiment_id: str) -> Sequence[VersionRecord]:
        """Return all versions of an experiment, oldest first."""

    def get_version(self, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
        """Return a version."""

    def set_content(self, owner: str, experiment_id: str, version_id: str, digest: str, size: int) -> None:
        """Record the content of a version."""

    def delete_experiment(self, owner: str, experiment_id: str) -> None:
        """Delete an experiment and its versions. Trainings keep the digest of their code."""

    def list_used_digests(self) -> frozenset[str]:
        """Return every digest that a version or an unfinished training uses."""

    # -- trainings, for the API -----------------------------------------------

    def create_training(
        self,
        training: TrainingRecord,
        definition_with_secrets: TrainingDefinition,
        *,
        key: str | None,
        request_digest: str,
    ) -> tuple[TrainingRecord, bool]:
        """
        Create a training; return it and True. Its definition with secrets is stored until it ends.

        With a *key* (from `Idempotency-Key`) that this owner has used before, nothing is created: return the training
        that it created, and False. Atomic: of two concurrent calls with one key, one creates a training.

        :raises Conflict: the key was used with another *request_digest* before.
        """

    def find_by_key(self, owner: str, key: str, request_digest: str) -> TrainingRecord | None:
        """
        Return the training that *key* created, or None.

        :raises Conflict: the key was used with another *request_digest* before.
        """

    def get_training(self, owner: str, training_id: str) -> TrainingRecord:
        """Return a training."""

    def list_trainings(
        self, owner: str, *, limit: int, before: str | None = None, tags: Collection[str] = ()
    ) -> Sequence[TrainingRecord]:
        """
        Return up to *limit* trainings, newest first, that were submitted before the training with the id *before*.

        :param tags: only trainings that have each of these tags, in the same upper and lower case.
        """

    def list_changes(self, owner: str, *, after: int, limit: int) -> Sequence[TrainingRecord]:
        """Return up to *limit* trainings with a revision above *after*, lowest revision first."""

    def current_revision(self) -> int:
        """Return the highest revision; cheap enough to be called several times a second."""

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        """
        Return the states of the trainings with these *ids*, of any owner, without ids that have no training.

        A state that this version does not know is None. No other column is read.
        """

    def count_trainings(self) -> TrainingCounts:
        """Count the trainings of all owners, without reading records."""

    def list_queue(self) -> Sequence[str]:
        """
        Return the ids of all trainings of any owner that wait for GPU slots, in the order of submission.

        One between two attempts has its old place.
        """

    def get_queue_position(self, training_id: str) -> int | None:
        """
        Return the number of queued trainings of any owner before this one; None if it does not wait for slots.
        """

    def request_cancel(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        """
        Request the cancellation of a training; return its record.

        A training that is not started, or waits for its next attempt, becomes `canceled` immediately. The dispatcher
        stops a started one. A finished one stays as it is.
        """

    def acknowledge(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        """
        Record that the client has the result of a completed training; a repetition keeps the first time.

        This is no change for `list_changes`: the revision stays, so that it does not end a long poll.

        :raises Conflict: the training is not in state `completed`.
        """

    def set_annotations(self, owner: str, training_id: str, annotations: Annotations, now: datetime) -> TrainingRecord:
        """
        Set the note and the tags of a training, in any state, and return it.

        Equal ones change nothing. Others are a change for `list_changes`, so that every page shows them.
        """

    def delete_training(self, owner: str, training_id: str) -> None:
        """
        Delete the record of a finished training; its results stay in the object store.

        :raises Conflict: the training has not ended.
        """

    def list_usage(self, owner: str | None, since: datetime, until: datetime) -> Sequence[UsageRecord]:
        """
        Return the attempts of trainings of *owner* (None: of all users) that held GPU slots between *since* and
        *until*, in the order of their start, also of deleted ones. A row that cannot be read is left out.
        """

    # -- trainings, for the dispatcher ----------------------------------------

    def acquire_lease(self, role: str, holder: str, now: datetime, until: datetime) -> bool:
        """
        Acquire or extend the lease on *role* for *holder*; return whether *holder* has it until *until*.

        One holder at a time has it, for `MAX_LEASE` at most. The first caller after it has expired acquires it.
        """

    def list_unfinished(self) -> Sequence[TrainingRecord]:
        """Return every training that is not in a final state, in the order of submission."""

    def get_definition_with_secrets(self, training_id: str) -> TrainingDefinition:
        """
        Return the definition as it was submitted, with its secrets.

        :raises NotFound: the training is unknown, or has ended, which erased the secrets.
        :raises DecryptionError: it can no longer be read; the training cannot be started.
        """

    # With *attempt*, the following methods change nothing if the training is at another attempt.

    def reserve_gpus(self, training_id: str, gpus: Sequence[str], now: datetime, *, attempt: int | None = None) -> bool:
        """
        Reserve *gpus* for an attempt of a training that is to be started; return whether this succeeded.

        It changes nothing and returns False if the training has ended, was started or is to be canceled, if the service
        is drained or one of *gpus* is cordoned, or if another training holds one of *gpus* (it was started, has not
        ended and does not store its results yet). If two dispatchers both act as the holder of the lease, one of them
        succeeds.
        """

    def set_handle(self, training_id: str, handle: str, *, attempt: int | None = None) -> None:
        """Record the runner's handle of a training."""

    def record_progress(
        self,
        training_id: str,
        state: TrainingState,
        phase: Phase | None,
        now: datetime,
        *,
        attempt: int | None = None,
    ) -> None:
        """Record state and phase of a training; raise `ValueError` for a change that `TRANSITIONS` does not allow."""

    def begin_next_attempt(
        self, training_id: str, ended: AttemptReport, now: datetime, *, stalled_seconds: float = 0.0
    ) -> bool:
        """
        Let a further attempt follow the present one, which has *ended*; return whether this succeeded.

        The training keeps its state and its secrets, holds no slots, and waits for some at its place in the queue, in
        the phase `recovering`. Its row of usage ends as an error, with *stalled_seconds* in which the command did no
        work.

        It changes nothing and returns False if the training has ended, is to be canceled, or is not started, or if
        *ended* is not its present attempt.
        """

    def mark_changed(self, training_id: str, now: datetime) -> None:
        """Make a training a change for `list_changes`: files of its job directory show something new."""

    def finish(self, training_id: str, outcome: TrainingOutcome, *, attempt: int | None = None) -> None:
        """
        Record the outcome of a training and erase its secrets, in one transaction.

        A final state never changes: a second outcome is ignored. The secrets are erased from the disk too, as far as
        the database permits it. A `pending` training may become `completed`: it ran while no dispatcher observed it.
        """
