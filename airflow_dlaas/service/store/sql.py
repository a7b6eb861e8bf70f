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
    LONGEST_LEASE,
    Counts,
    ExperimentRecord,
    Outcome,
    SealBroken,
    TrainingRecord,
    VersionRecord,
)
from airflow_dlaas.service.store.counts import count
from airflow_dlaas.service.store.database import Database
from airflow_dlaas.service.store.row_reader import each, lease_on, slots_held
from airflow_dlaas.service.store.secret_encryption import Seal
from airflow_dlaas.service.store.tables import (
    FINAL,
    UNFINISHED,
    WAITING,
    counter,
    experiments,
    leases,
    trainings,
    versions,
)

IDS_AT_ONCE = 1000
"""Ids in one query: databases bound how many parameters a statement takes."""

KNOWN_STATES = {str(state): state for state in TrainingState}


class SqlStore:
    """
    `airflow_dlaas.service.store.base.Store` in a database.

    Opening it brings the schema up to date, under a lock: any number of processes may open one database at once.
    Every verb may raise `HostError`: the database is gone, full or locked.

    With a *key* (`airflow_dlaas.service.store.secret_encryption.derive_key`) secrets are kept sealed. Without one they are in the
    clear: for tests, and for a database that nobody else ever sees.
    """

    def __init__(self, url: str, *, key: bytes | None = None) -> None:
        self._seal = Seal(key)
        self._database = Database(url)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def _reading(self) -> AbstractContextManager[Connection]:
        return self._database.reading()

    def _writing(self) -> AbstractContextManager[Connection]:
        return self._database.writing()

    # -- experiments ---------------------------------------------------------

    def create_experiment(self, experiment: ExperimentRecord, version: VersionRecord) -> None:
        with self._writing() as connection:
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
        with self._writing() as connection:
            _, newest = _experiment(connection, owner, experiment_id)
            version = VersionRecord(version_id, experiment_id, newest.number + 1, now)
            _insert_version(connection, version)
        return version

    def experiments(self, owner: str) -> Sequence[tuple[ExperimentRecord, VersionRecord]]:
        with self._reading() as connection:
            return _experiments(connection, _newest(owner).order_by(experiments.c.seq.desc()))

    def experiment(self, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
        with self._reading() as connection:
            return _experiment(connection, owner, experiment_id)

    def versions(self, owner: str, experiment_id: str) -> Sequence[VersionRecord]:
        with self._reading() as connection:
            query = select(*rows.VERSION).join(experiments).where(_is(owner, experiment_id))
            found = _versions(connection, query.order_by(versions.c.number))
        if not found:
            raise _no_experiment(experiment_id)
        return found

    def version(self, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
        with self._reading() as connection:
            return _version(connection, owner, experiment_id, version_id)

    def set_content(self, owner: str, experiment_id: str, version_id: str, digest: str, size: int) -> None:
        with self._writing() as connection:
            _version(connection, owner, experiment_id, version_id)
            connection.execute(update(versions).where(versions.c.id == version_id).values(digest=digest, size=size))

    def delete_experiment(self, owner: str, experiment_id: str) -> None:
        with self._writing() as connection:
            if not connection.execute(delete(experiments).where(_is(owner, experiment_id))).rowcount:
                raise _no_experiment(experiment_id)

    def digests(self) -> frozenset[str]:
        kept = select(versions.c.digest).where(versions.c.digest.is_not(None))
        running = select(trainings.c.code).where(UNFINISHED)
        with self._reading() as connection:
            return frozenset(connection.execute(kept.union(running)).scalars())

    # -- trainings, the API's side -------------------------------------------

    def create_training(
        self, training: TrainingRecord, secrets: TrainingDefinition, *, key: str | None, request_digest: str
    ) -> tuple[TrainingRecord, bool]:
        with self._writing() as connection:
            known = _by_key(connection, training.owner, key, request_digest)
            if known is not None:
                return known, False
            values = rows.training_values(training) | {
                "secrets": self._seal.close(secrets.model_dump_json(context=REVEAL_SECRETS, exclude_unset=True)),
                "key": key,
                "request_digest": request_digest,
                "revision": _next_revision(connection),
            }
            connection.execute(insert(trainings).values(values))
            return _training(connection, training.id, training.owner), True

    def recall(self, owner: str, key: str, request_digest: str) -> TrainingRecord | None:
        with self._reading() as connection:
            return _by_key(connection, owner, key, request_digest)

    def training(self, owner: str, training_id: str) -> TrainingRecord:
        with self._reading() as connection:
            return _training(connection, training_id, owner)

    def trainings(self, owner: str, *, limit: int, before: str | None = None) -> Sequence[TrainingRecord]:
        query = select(*rows.TRAINING).where(trainings.c.owner == owner)
        with self._reading() as connection:
            if before is not None:
                seq = connection.execute(
                    select(trainings.c.seq).where(trainings.c.owner == owner, trainings.c.id == before)
                ).scalar()
                if seq is None:
                    raise _no_training(before)
                query = query.where(trainings.c.seq < seq)
            return _records(connection, query.order_by(trainings.c.seq.desc()).limit(limit))

    def changes(self, owner: str, *, after: int, limit: int) -> Sequence[TrainingRecord]:
        query = select(*rows.TRAINING).where(trainings.c.owner == owner, trainings.c.revision > after)
        with self._reading() as connection:
            found = _records(connection, query.order_by(trainings.c.revision).limit(limit))
            highest = connection.execute(select(counter.c.revision)).scalar_one()
        # A damaged revision has no place in the order: the training would be given again each time.
        return [record for record in found if after < record.revision <= highest]

    def revision(self) -> int:
        with self._reading() as connection:
            return int(connection.execute(select(counter.c.revision)).scalar_one())

    def states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        wanted, found = list(ids), dict[str, TrainingState | None]()
        query = select(trainings.c.id, trainings.c.state)
        with self._reading() as connection:
            for start in range(0, len(wanted), IDS_AT_ONCE):
                some = trainings.c.id.in_(wanted[start : start + IDS_AT_ONCE])
                found.update((row.id, KNOWN_STATES.get(row.state)) for row in connection.execute(query.where(some)))
        return found

    def counts(self) -> Counts:
        with self._reading() as connection:
            return count(connection)

    def queue(self) -> Sequence[str]:
        with self._reading() as connection:
            return connection.execute(select(trainings.c.id).where(WAITING).order_by(trainings.c.seq)).scalars().all()

    def queue_position(self, training_id: str) -> int | None:
        mine = trainings.alias("mine")
        before = select(func.count()).select_from(trainings).where(WAITING, trainings.c.seq < mine.c.seq)
        query = select(before.correlate(mine).scalar_subquery()).where(
            mine.c.id == training_id, mine.c.state.not_in(FINAL), mine.c.started_at.is_(None)
        )
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def request_cancel(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._writing() as connection:
            record = _training(connection, training_id, owner)
            if record.state.is_final or record.cancel_requested:
                return record
            if record.started_at is None:
                _end(connection, record, Outcome(TrainingState.CANCELED, now), cancel_requested=True)
            else:
                _change(connection, training_id, modified_at=now, cancel_requested=True)
            record = _training(connection, training_id)
        if record.state.is_final:
            self._database.forget()
        return record

    def acknowledge(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._writing() as connection:
            record = _training(connection, training_id, owner)
            if record.state is not TrainingState.COMPLETED:
                raise Conflict(
                    f"Training {training_id} is {record.state}: only the result of a completed training can be "
                    "acknowledged"
                )
            if record.acknowledged_at is not None:
                return record
            # Without a new revision: nothing that a waiting client asks for has changed.
            connection.execute(update(trainings).where(trainings.c.id == training_id).values(acknowledged_at=now))
            return _training(connection, training_id)

    def delete_training(self, owner: str, training_id: str) -> None:
        with self._writing() as connection:
            record = _training(connection, training_id, owner)
            if not record.state.is_final:
                raise Conflict(f"Training {training_id} is {record.state}: cancel it, and delete it once it has ended")
            connection.execute(delete(trainings).where(trainings.c.id == training_id))

    # -- trainings, the dispatcher's side ------------------------------------

    def lead(self, role: str, holder: str, now: datetime, until: datetime) -> bool:
        with self._writing() as connection:
            lease = lease_on(connection, role)
            if lease is None:
                connection.execute(insert(leases).values(role=role, holder=holder, until=until))
            elif lease.holder == holder or not now < lease.until <= now + LONGEST_LEASE:
                connection.execute(update(leases).where(leases.c.role == role).values(holder=holder, until=until))
            else:
                return False
        return True

    def unfinished(self) -> Sequence[TrainingRecord]:
        with self._reading() as connection:
            return _records(connection, select(*rows.TRAINING).where(UNFINISHED).order_by(trainings.c.seq))

    def secrets(self, training_id: str) -> TrainingDefinition:
        with self._reading() as connection:
            sent = connection.execute(select(trainings.c.secrets).where(trainings.c.id == training_id)).scalar()
        if sent is None:
            raise NotFound(f"There are no secrets of training {training_id}: it is unknown, or has ended")
        try:
            return TrainingDefinition.model_validate_json(self._seal.open(sent))
        except rows.DAMAGE:
            pass  # Nothing of it goes into the error.
        raise SealBroken(
            "What was stored to start it with (its definition and the credentials of its object stores) cannot be read "
            "any more. Submit the training again"
        )

    def book(self, training_id: str, gpus: Sequence[str], now: datetime) -> bool:
        with self._writing() as connection:
            record = _training(connection, training_id)
            if record.state.is_final or record.started_at is not None or record.cancel_requested:
                return False
            if not set(gpus).isdisjoint(slots_held(connection)):
                return False
            _change(connection, training_id, modified_at=now, gpus=list(gpus), started_at=now)
        return True

    def started(self, training_id: str, handle: str) -> None:
        with self._writing() as connection:
            if _training(connection, training_id).handle != handle:
                _change(connection, training_id, handle=handle)

    def advance(self, training_id: str, state: TrainingState, phase: Phase | None, now: datetime) -> None:
        with self._writing() as connection:
            record = _training(connection, training_id)
            if state.is_final or not (state == record.state or record.state.can_transition_to(state)):
                raise ValueError(f"Training {training_id} is {record.state} and cannot advance to {state}")
            values: dict[str, Any] = {"phase": str(phase) if phase else None}
            if state != record.state:
                values |= {"state": str(state), "running_at": now}
            elif phase == record.phase:
                return
            _change(connection, training_id, modified_at=now, **values)

    def finish(self, training_id: str, outcome: Outcome) -> None:
        if not outcome.state.is_final:
            raise ValueError(f"A training does not end as {outcome.state}")
        with self._writing() as connection:
            record = _training(connection, training_id)
            if not record.state.is_final:
                _end(connection, record, outcome)
        self._database.forget()


def _newest(owner: str) -> Select[Any]:
    """Experiments of *owner*, each with its newest version."""
    other = versions.alias("other")
    newest = select(func.max(other.c.number)).where(other.c.experiment_id == experiments.c.id).scalar_subquery()
    return (
        select(*rows.EXPERIMENT)
        .join(versions, versions.c.experiment_id == experiments.c.id)
        .where(experiments.c.owner == owner, versions.c.number == newest)
    )


def _is(owner: str, experiment_id: str) -> Any:
    return (experiments.c.owner == owner) & (experiments.c.id == experiment_id)


def _experiment(connection: Connection, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
    found = _experiments(connection, _newest(owner).where(experiments.c.id == experiment_id))
    if not found:
        raise _no_experiment(experiment_id)
    return found[0]


def _version(connection: Connection, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
    query = select(*rows.VERSION).join(experiments).where(_is(owner, experiment_id), versions.c.id == version_id)
    found = _versions(connection, query)
    if not found:
        raise NotFound(f"There is no version {version_id} of an experiment {experiment_id}")
    return found[0]


def _insert_version(connection: Connection, version: VersionRecord) -> None:
    values = {column.name: getattr(version, column.name) for column in versions.c}
    connection.execute(insert(versions).values(values))


def _records(connection: Connection, query: Select[Any]) -> list[TrainingRecord]:
    return each(connection, query, trainings.c.seq, rows.training, unreadable_rows.salvage_training)


def _experiments(connection: Connection, query: Select[Any]) -> list[tuple[ExperimentRecord, VersionRecord]]:
    return each(connection, query, versions.c.id, rows.experiment, unreadable_rows.salvage_experiment)


def _versions(connection: Connection, query: Select[Any]) -> list[VersionRecord]:
    return each(connection, query, versions.c.id, rows.version, unreadable_rows.salvage_version)


def _training(connection: Connection, training_id: str, owner: str | None = None) -> TrainingRecord:
    query = select(*rows.TRAINING).where(trainings.c.id == training_id)
    if owner is not None:
        query = query.where(trainings.c.owner == owner)
    found = _records(connection, query)
    if not found:
        raise _no_training(training_id)
    return found[0]


def _by_key(connection: Connection, owner: str, key: str | None, request_digest: str) -> TrainingRecord | None:
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
    return _training(connection, row.id)


def _next_revision(connection: Connection) -> int:
    up = update(counter).values(revision=counter.c.revision + 1).returning(counter.c.revision)
    return int(connection.execute(up).scalar_one())


def _change(connection: Connection, training_id: str, **values: Any) -> None:
    values["revision"] = _next_revision(connection)
    connection.execute(update(trainings).where(trainings.c.id == training_id).values(values))


def _end(connection: Connection, record: TrainingRecord, outcome: Outcome, **values: Any) -> None:
    running_at = record.running_at
    if not record.state.can_transition_to(outcome.state):
        # The one way to get here: a learner ran from start to end while no dispatcher looked. It did run in between.
        if outcome.state not in TRANSITIONS[TrainingState.RUNNING]:
            raise ValueError(f"Training {record.id} is {record.state} and cannot end as {outcome.state}")
        running_at = record.started_at or outcome.finished_at
    _change(
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


def _no_experiment(experiment_id: str) -> NotFound:
    return NotFound(f"There is no experiment {experiment_id}")


def _no_training(training_id: str) -> NotFound:
    return NotFound(f"There is no training {training_id}")
