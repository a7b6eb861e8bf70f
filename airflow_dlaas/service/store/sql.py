"""The store in a database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TRANSITIONS, Phase, TrainingState
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.exceptions import Conflict, NotFound
from airflow_dlaas.service.store import rows, unreadable_rows
from airflow_dlaas.service.store.base import (
    MAX_LEASE,
    DecryptionError,
    ExperimentRecord,
    TrainingCounts,
    TrainingOutcome,
    TrainingRecord,
    VersionRecord,
)
from airflow_dlaas.service.store.counts import count_trainings
from airflow_dlaas.service.store.database import Database
from airflow_dlaas.service.store.row_reader import get_lease, list_held_slots, read_rows
from airflow_dlaas.service.store.secret_encryption import SecretCipher
from airflow_dlaas.service.store.tables import (
    FINAL_STATES,
    IS_QUEUED,
    IS_UNFINISHED,
    counter,
    experiments,
    leases,
    trainings,
    versions,
)

MAX_IDS_PER_QUERY = 1000
"""Ids in one query: databases bound how many parameters a statement takes."""

STATES_BY_NAME = {str(state): state for state in TrainingState}


class SqlStore:
    """
    `airflow_dlaas.service.store.base.Store` in a database.

    Opening it brings the schema up to date, under a lock: any number of processes may open one database at once.
    Every verb may raise `HostError`: the database is gone, full or locked.

    With a *key* (`airflow_dlaas.service.store.secret_encryption.derive_key`) secrets are kept sealed. Without one they are in the
    clear: for tests, and for a database that nobody else ever sees.
    """

    def __init__(self, url: str, *, key: bytes | None = None) -> None:
        self._cipher = SecretCipher(key)
        self._database = Database(url)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def _read_transaction(self) -> AbstractContextManager[Connection]:
        return self._database.read_transaction()

    def _write_transaction(self) -> AbstractContextManager[Connection]:
        return self._database.write_transaction()

    # -- experiments ---------------------------------------------------------

    def create_experiment(self, experiment: ExperimentRecord, version: VersionRecord) -> None:
        with self._write_transaction() as connection:
            connection.execute(
                insert(experiments).values(
                    id=experiment.id,
                    owner=experiment.owner,
                    draft=dict(experiment.draft),
                    created_at=experiment.created_at,
                )
            )
            _insert_version(connection, version)

    def add_version(self, owner: str, experiment_id: str, version_id: str, now: datetime) -> VersionRecord:
        with self._write_transaction() as connection:
            _, newest = _get_experiment(connection, owner, experiment_id)
            version = VersionRecord(version_id, experiment_id, newest.number + 1, now)
            _insert_version(connection, version)
        return version

    def list_experiments(self, owner: str) -> Sequence[tuple[ExperimentRecord, VersionRecord]]:
        with self._read_transaction() as connection:
            return _select_experiments(connection, _newest_version_query(owner).order_by(experiments.c.seq.desc()))

    def get_experiment(self, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
        with self._read_transaction() as connection:
            return _get_experiment(connection, owner, experiment_id)

    def list_versions(self, owner: str, experiment_id: str) -> Sequence[VersionRecord]:
        with self._read_transaction() as connection:
            query = select(*rows.VERSION_COLUMNS).join(experiments).where(_matches_experiment(owner, experiment_id))
            found = _select_versions(connection, query.order_by(versions.c.number))
        if not found:
            raise _experiment_not_found(experiment_id)
        return found

    def get_version(self, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
        with self._read_transaction() as connection:
            return _get_version(connection, owner, experiment_id, version_id)

    def set_content(self, owner: str, experiment_id: str, version_id: str, digest: str, size: int) -> None:
        with self._write_transaction() as connection:
            _get_version(connection, owner, experiment_id, version_id)
            connection.execute(update(versions).where(versions.c.id == version_id).values(digest=digest, size=size))

    def delete_experiment(self, owner: str, experiment_id: str) -> None:
        with self._write_transaction() as connection:
            if not connection.execute(delete(experiments).where(_matches_experiment(owner, experiment_id))).rowcount:
                raise _experiment_not_found(experiment_id)

    def list_used_digests(self) -> frozenset[str]:
        kept = select(versions.c.digest).where(versions.c.digest.is_not(None))
        running = select(trainings.c.code).where(IS_UNFINISHED)
        with self._read_transaction() as connection:
            return frozenset(connection.execute(kept.union(running)).scalars())

    # -- trainings, the API's side -------------------------------------------

    def create_training(
        self,
        training: TrainingRecord,
        definition_with_secrets: TrainingDefinition,
        *,
        key: str | None,
        request_digest: str,
    ) -> tuple[TrainingRecord, bool]:
        with self._write_transaction() as connection:
            known = _find_by_key(connection, training.owner, key, request_digest)
            if known is not None:
                return known, False
            values = rows.training_to_row(training) | {
                "secrets": self._cipher.encrypt(
                    definition_with_secrets.model_dump_json(context=REVEAL_SECRETS, exclude_unset=True)
                ),
                "key": key,
                "request_digest": request_digest,
                "revision": _next_revision(connection),
            }
            connection.execute(insert(trainings).values(values))
            return _get_training(connection, training.id, training.owner), True

    def find_by_key(self, owner: str, key: str, request_digest: str) -> TrainingRecord | None:
        with self._read_transaction() as connection:
            return _find_by_key(connection, owner, key, request_digest)

    def get_training(self, owner: str, training_id: str) -> TrainingRecord:
        with self._read_transaction() as connection:
            return _get_training(connection, training_id, owner)

    def list_trainings(self, owner: str, *, limit: int, before: str | None = None) -> Sequence[TrainingRecord]:
        query = select(*rows.TRAINING_COLUMNS).where(trainings.c.owner == owner)
        with self._read_transaction() as connection:
            if before is not None:
                seq = connection.execute(
                    select(trainings.c.seq).where(trainings.c.owner == owner, trainings.c.id == before)
                ).scalar()
                if seq is None:
                    raise _training_not_found(before)
                query = query.where(trainings.c.seq < seq)
            return _select_trainings(connection, query.order_by(trainings.c.seq.desc()).limit(limit))

    def list_changes(self, owner: str, *, after: int, limit: int) -> Sequence[TrainingRecord]:
        query = select(*rows.TRAINING_COLUMNS).where(trainings.c.owner == owner, trainings.c.revision > after)
        with self._read_transaction() as connection:
            found = _select_trainings(connection, query.order_by(trainings.c.revision).limit(limit))
            highest = connection.execute(select(counter.c.revision)).scalar_one()
        # A damaged revision has no place in the order: the training would be given again each time.
        return [record for record in found if after < record.revision <= highest]

    def current_revision(self) -> int:
        with self._read_transaction() as connection:
            return int(connection.execute(select(counter.c.revision)).scalar_one())

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        wanted, found = list(ids), dict[str, TrainingState | None]()
        query = select(trainings.c.id, trainings.c.state)
        with self._read_transaction() as connection:
            for start in range(0, len(wanted), MAX_IDS_PER_QUERY):
                some = trainings.c.id.in_(wanted[start : start + MAX_IDS_PER_QUERY])
                found.update((row.id, STATES_BY_NAME.get(row.state)) for row in connection.execute(query.where(some)))
        return found

    def count_trainings(self) -> TrainingCounts:
        with self._read_transaction() as connection:
            return count_trainings(connection)

    def list_queue(self) -> Sequence[str]:
        with self._read_transaction() as connection:
            return connection.execute(select(trainings.c.id).where(IS_QUEUED).order_by(trainings.c.seq)).scalars().all()

    def get_queue_position(self, training_id: str) -> int | None:
        mine = trainings.alias("mine")
        before = select(func.count()).select_from(trainings).where(IS_QUEUED, trainings.c.seq < mine.c.seq)
        query = select(before.correlate(mine).scalar_subquery()).where(
            mine.c.id == training_id, mine.c.state.not_in(FINAL_STATES), mine.c.started_at.is_(None)
        )
        with self._read_transaction() as connection:
            return connection.execute(query).scalar()

    def request_cancel(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id, owner)
            if record.state.is_final or record.cancel_requested:
                return record
            if record.started_at is None:
                _finish_training(
                    connection, record, TrainingOutcome(TrainingState.CANCELED, now), cancel_requested=True
                )
            else:
                _update_training(connection, training_id, modified_at=now, cancel_requested=True)
            record = _get_training(connection, training_id)
        if record.state.is_final:
            self._database.truncate_wal()
        return record

    def acknowledge(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id, owner)
            if record.state is not TrainingState.COMPLETED:
                raise Conflict(
                    f"Training {training_id} is {record.state}: only the result of a completed training can be "
                    "acknowledged"
                )
            if record.acknowledged_at is not None:
                return record
            # Without a new revision: nothing that a waiting client asks for has changed.
            connection.execute(update(trainings).where(trainings.c.id == training_id).values(acknowledged_at=now))
            return _get_training(connection, training_id)

    def delete_training(self, owner: str, training_id: str) -> None:
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id, owner)
            if not record.state.is_final:
                raise Conflict(f"Training {training_id} is {record.state}: cancel it, and delete it once it has ended")
            connection.execute(delete(trainings).where(trainings.c.id == training_id))

    # -- trainings, the dispatcher's side ------------------------------------

    def acquire_lease(self, role: str, holder: str, now: datetime, until: datetime) -> bool:
        with self._write_transaction() as connection:
            lease = get_lease(connection, role)
            if lease is None:
                connection.execute(insert(leases).values(role=role, holder=holder, until=until))
            elif lease.holder == holder or not now < lease.until <= now + MAX_LEASE:
                connection.execute(update(leases).where(leases.c.role == role).values(holder=holder, until=until))
            else:
                return False
        return True

    def list_unfinished(self) -> Sequence[TrainingRecord]:
        with self._read_transaction() as connection:
            return _select_trainings(
                connection, select(*rows.TRAINING_COLUMNS).where(IS_UNFINISHED).order_by(trainings.c.seq)
            )

    def get_definition_with_secrets(self, training_id: str) -> TrainingDefinition:
        with self._read_transaction() as connection:
            sent = connection.execute(select(trainings.c.secrets).where(trainings.c.id == training_id)).scalar()
        if sent is None:
            raise NotFound(f"There are no secrets of training {training_id}: it is unknown, or has ended")
        try:
            return TrainingDefinition.model_validate_json(self._cipher.decrypt(sent))
        except rows.ROW_READ_ERRORS:
            pass  # Nothing of it goes into the error.
        raise DecryptionError(
            "What was stored to start it with (its definition and the credentials of its object stores) cannot be read "
            "any more. Submit the training again"
        )

    def reserve_gpus(self, training_id: str, gpus: Sequence[str], now: datetime) -> bool:
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id)
            if record.state.is_final or record.started_at is not None or record.cancel_requested:
                return False
            if not set(gpus).isdisjoint(list_held_slots(connection)):
                return False
            _update_training(connection, training_id, modified_at=now, gpus=list(gpus), started_at=now)
        return True

    def set_handle(self, training_id: str, handle: str) -> None:
        with self._write_transaction() as connection:
            if _get_training(connection, training_id).handle != handle:
                _update_training(connection, training_id, handle=handle)

    def record_progress(self, training_id: str, state: TrainingState, phase: Phase | None, now: datetime) -> None:
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id)
            if state.is_final or not (state == record.state or record.state.can_transition_to(state)):
                raise ValueError(f"Training {training_id} is {record.state} and cannot advance to {state}")
            values: dict[str, Any] = {"phase": str(phase) if phase else None}
            if state != record.state:
                values |= {"state": str(state), "running_at": now}
            elif phase == record.phase:
                return
            _update_training(connection, training_id, modified_at=now, **values)

    def finish(self, training_id: str, outcome: TrainingOutcome) -> None:
        if not outcome.state.is_final:
            raise ValueError(f"A training does not end as {outcome.state}")
        with self._write_transaction() as connection:
            record = _get_training(connection, training_id)
            if not record.state.is_final:
                _finish_training(connection, record, outcome)
        self._database.truncate_wal()


def _newest_version_query(owner: str) -> Select[Any]:
    """Experiments of *owner*, each with its newest version."""
    other = versions.alias("other")
    newest = select(func.max(other.c.number)).where(other.c.experiment_id == experiments.c.id).scalar_subquery()
    return (
        select(*rows.EXPERIMENT_COLUMNS)
        .join(versions, versions.c.experiment_id == experiments.c.id)
        .where(experiments.c.owner == owner, versions.c.number == newest)
    )


def _matches_experiment(owner: str, experiment_id: str) -> Any:
    return (experiments.c.owner == owner) & (experiments.c.id == experiment_id)


def _get_experiment(connection: Connection, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
    found = _select_experiments(connection, _newest_version_query(owner).where(experiments.c.id == experiment_id))
    if not found:
        raise _experiment_not_found(experiment_id)
    return found[0]


def _get_version(connection: Connection, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
    query = (
        select(*rows.VERSION_COLUMNS)
        .join(experiments)
        .where(_matches_experiment(owner, experiment_id), versions.c.id == version_id)
    )
    found = _select_versions(connection, query)
    if not found:
        raise NotFound(f"There is no version {version_id} of an experiment {experiment_id}")
    return found[0]


def _insert_version(connection: Connection, version: VersionRecord) -> None:
    values = {column.name: getattr(version, column.name) for column in versions.c}
    connection.execute(insert(versions).values(values))


def _select_trainings(connection: Connection, query: Select[Any]) -> list[TrainingRecord]:
    return read_rows(
        connection, query, trainings.c.seq, rows.training_from_row, unreadable_rows.training_from_unreadable_row
    )


def _select_experiments(connection: Connection, query: Select[Any]) -> list[tuple[ExperimentRecord, VersionRecord]]:
    return read_rows(
        connection, query, versions.c.id, rows.experiment_from_row, unreadable_rows.experiment_from_unreadable_row
    )


def _select_versions(connection: Connection, query: Select[Any]) -> list[VersionRecord]:
    return read_rows(
        connection, query, versions.c.id, rows.version_from_row, unreadable_rows.version_from_unreadable_row
    )


def _get_training(connection: Connection, training_id: str, owner: str | None = None) -> TrainingRecord:
    query = select(*rows.TRAINING_COLUMNS).where(trainings.c.id == training_id)
    if owner is not None:
        query = query.where(trainings.c.owner == owner)
    found = _select_trainings(connection, query)
    if not found:
        raise _training_not_found(training_id)
    return found[0]


def _find_by_key(connection: Connection, owner: str, key: str | None, request_digest: str) -> TrainingRecord | None:
    if key is None:
        return None
    query = select(trainings.c.id, trainings.c.request_digest).where(trainings.c.owner == owner, trainings.c.key == key)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if row.request_digest != request_digest:
        raise Conflict(
            f"This key created training {row.id} from another definition: send another key, or the same definition",
            target="Idempotency-Key",
        )
    return _get_training(connection, row.id)


def _next_revision(connection: Connection) -> int:
    up = update(counter).values(revision=counter.c.revision + 1).returning(counter.c.revision)
    return int(connection.execute(up).scalar_one())


def _update_training(connection: Connection, training_id: str, **values: Any) -> None:
    values["revision"] = _next_revision(connection)
    connection.execute(update(trainings).where(trainings.c.id == training_id).values(values))


def _finish_training(connection: Connection, record: TrainingRecord, outcome: TrainingOutcome, **values: Any) -> None:
    running_at = record.running_at
    if not record.state.can_transition_to(outcome.state):
        # The one way to get here: a learner ran from start to end while no dispatcher looked. It did run in between.
        if outcome.state not in TRANSITIONS[TrainingState.RUNNING]:
            raise ValueError(f"Training {record.id} is {record.state} and cannot end as {outcome.state}")
        running_at = record.started_at or outcome.finished_at
    _update_training(
        connection,
        record.id,
        state=str(outcome.state),
        phase=None,
        modified_at=outcome.finished_at,
        running_at=running_at,
        finished_at=outcome.finished_at,
        exit_code=outcome.exit_code,
        error=outcome.error.model_dump(mode="json") if outcome.error else None,
        stored=outcome.stored,
        isolation=outcome.isolation,
        secrets=None,
        **values,
    )


def _experiment_not_found(experiment_id: str) -> NotFound:
    return NotFound(f"There is no experiment {experiment_id}")


def _training_not_found(training_id: str) -> NotFound:
    return NotFound(f"There is no training {training_id}")
