"""
The store in a database: SQLite by default, PostgreSQL by URL.

Its methods are documented in `airflow_dlaas.service.store.base.Store`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.exceptions import Conflict, NotFound
from airflow_dlaas.service.store import (
    attempt_queries,
    client_changes,
    queue_queries,
    rows,
    training_queries,
    usage_queries,
)
from airflow_dlaas.service.store.base import MAX_LEASE, DecryptionError
from airflow_dlaas.service.store.counts import count_trainings
from airflow_dlaas.service.store.database import Database
from airflow_dlaas.service.store.maintenance_table import SqlMaintenance
from airflow_dlaas.service.store.records import TrainingCounts, TrainingOutcome, TrainingRecord
from airflow_dlaas.service.store.row_reader import get_lease
from airflow_dlaas.service.store.secret_encryption import SecretCipher
from airflow_dlaas.service.store.secret_rotation import reencrypt_secrets
from airflow_dlaas.service.store.sql_experiments import SqlExperiments
from airflow_dlaas.service.store.tables import (
    IS_UNFINISHED,
    counter,
    leases,
    trainings,
    versions,
)
from airflow_dlaas.service.store.usage_record import UsageRecord


class SqlStore(SqlExperiments):
    """
    `airflow_dlaas.service.store.base.Store` in a database.

    Opening it upgrades the schema, under a lock: any number of processes may open one database at the same time. Every
    method may raise `HostError`: the database is unreachable, full or locked.

    With a *key* (`airflow_dlaas.service.store.secret_encryption.derive_key`), secrets are encrypted. Without one they
    are stored in plain text: for tests, and for a database that no other user can read. *previous_key* is the key
    before a rotation that has not ended; see `reencrypt_secrets`.
    """

    def __init__(self, url: str, *, key: bytes | None = None, previous_key: bytes | None = None) -> None:
        self._cipher = SecretCipher(key, previous_key)
        self._database = Database(url)
        self.maintenance = SqlMaintenance(self._database)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def list_used_digests(self) -> frozenset[str]:
        kept = select(versions.c.digest).where(versions.c.digest.is_not(None))
        running = select(trainings.c.code).where(IS_UNFINISHED)
        with self._read_transaction() as connection:
            return frozenset(connection.execute(kept.union(running)).scalars())

    # -- trainings, for the API -----------------------------------------------

    def create_training(
        self,
        training: TrainingRecord,
        definition_with_secrets: TrainingDefinition,
        *,
        key: str | None,
        request_digest: str,
    ) -> tuple[TrainingRecord, bool]:
        with self._write_transaction() as connection:
            known = training_queries.find_by_key(connection, training.owner, key, request_digest)
            if known is not None:
                return known, False
            values = rows.training_to_row(training) | {
                "secrets": self._cipher.encrypt(
                    definition_with_secrets.model_dump_json(context=REVEAL_SECRETS, exclude_unset=True)
                ),
                "key": key,
                "request_digest": request_digest,
                "revision": training_queries.next_revision(connection),
            }
            connection.execute(insert(trainings).values(values))
            return training_queries.get_training(connection, training.id, training.owner), True

    def find_by_key(self, owner: str, key: str, request_digest: str) -> TrainingRecord | None:
        with self._read_transaction() as connection:
            return training_queries.find_by_key(connection, owner, key, request_digest)

    def get_training(self, owner: str, training_id: str) -> TrainingRecord:
        with self._read_transaction() as connection:
            return training_queries.get_training(connection, training_id, owner)

    def list_trainings(
        self, owner: str, *, limit: int, before: str | None = None, tags: Collection[str] = ()
    ) -> Sequence[TrainingRecord]:
        query = select(*rows.TRAINING_COLUMNS).where(
            trainings.c.owner == owner, *(rows.tags_contain(tag) for tag in tags)
        )
        with self._read_transaction() as connection:
            if before is not None:
                seq = connection.execute(
                    select(trainings.c.seq).where(trainings.c.owner == owner, trainings.c.id == before)
                ).scalar()
                if seq is None:
                    raise training_queries.training_not_found(before)
                query = query.where(trainings.c.seq < seq)
            return training_queries.select_trainings(connection, query.order_by(trainings.c.seq.desc()).limit(limit))

    def list_changes(self, owner: str, *, after: int, limit: int) -> Sequence[TrainingRecord]:
        with self._read_transaction() as connection:
            return training_queries.list_changes(connection, owner, after, limit)

    def current_revision(self) -> int:
        with self._read_transaction() as connection:
            return int(connection.execute(select(counter.c.revision)).scalar_one())

    def get_states(self, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
        with self._read_transaction() as connection:
            return queue_queries.get_states(connection, ids)

    def count_trainings(self) -> TrainingCounts:
        with self._read_transaction() as connection:
            return count_trainings(connection)

    def list_queue(self) -> Sequence[str]:
        with self._read_transaction() as connection:
            return queue_queries.list_queue(connection)

    def get_queue_position(self, training_id: str) -> int | None:
        with self._read_transaction() as connection:
            return queue_queries.get_position(connection, training_id)

    def request_cancel(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._write_transaction() as connection:
            record = client_changes.request_cancel(connection, owner, training_id, now)
        if record.state.is_final:
            self._database.truncate_wal()
        return record

    def acknowledge(self, owner: str, training_id: str, now: datetime) -> TrainingRecord:
        with self._write_transaction() as connection:
            return client_changes.acknowledge(connection, owner, training_id, now)

    def set_annotations(self, owner: str, training_id: str, annotations: Annotations, now: datetime) -> TrainingRecord:
        with self._write_transaction() as connection:
            return client_changes.set_annotations(connection, owner, training_id, annotations, now)

    def delete_training(self, owner: str, training_id: str) -> None:
        with self._write_transaction() as connection:
            record = training_queries.get_training(connection, training_id, owner)
            if not record.state.is_final:
                raise Conflict(f"Training {training_id} is {record.state}: cancel it, and delete it after it has ended")
            connection.execute(delete(trainings).where(trainings.c.id == training_id))

    def list_usage(self, owner: str | None, since: datetime, until: datetime) -> Sequence[UsageRecord]:
        with self._read_transaction() as connection:
            return usage_queries.list_usage(connection, owner, since, until)

    # -- trainings, for the dispatcher ----------------------------------------

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
            return training_queries.select_trainings(
                connection, select(*rows.TRAINING_COLUMNS).where(IS_UNFINISHED).order_by(trainings.c.seq)
            )

    def get_definition_with_secrets(self, training_id: str) -> TrainingDefinition:
        with self._read_transaction() as connection:
            stored = connection.execute(select(trainings.c.secrets).where(trainings.c.id == training_id)).scalar()
        if stored is None:
            raise NotFound(f"There are no secrets of training {training_id}: it is unknown, or has ended")
        try:
            return TrainingDefinition.model_validate_json(self._cipher.decrypt(stored))
        except rows.ROW_READ_ERRORS:
            pass  # The error has no detail: it could contain a part of the secrets.
        raise DecryptionError(
            "The stored definition and the credentials of its object stores can no longer be read. Submit the training "
            "again"
        )

    def reserve_gpus(self, training_id: str, gpus: Sequence[str], now: datetime, *, attempt: int | None = None) -> bool:
        with self._write_transaction() as connection:
            return attempt_queries.reserve_gpus(connection, training_id, gpus, now, attempt)

    def reencrypt_secrets(self, change: Callable[[str], str]) -> int:
        """
        Encrypt the secrets of all trainings with the present key, in one transaction; return their number.

        Secrets that cannot be decrypted stay as they are: their training fails at its start, as before.

        :param change: returns the definition to store, given the JSON of the definition with its secrets.
        """
        with self._write_transaction() as connection:
            changed = reencrypt_secrets(connection, self._cipher, change)
        self._database.truncate_wal()
        return changed

    def set_handle(self, training_id: str, handle: str, *, attempt: int | None = None) -> None:
        with self._write_transaction() as connection:
            attempt_queries.set_handle(connection, training_id, handle, attempt)

    def record_progress(
        self,
        training_id: str,
        state: TrainingState,
        phase: Phase | None,
        now: datetime,
        *,
        attempt: int | None = None,
    ) -> None:
        with self._write_transaction() as connection:
            attempt_queries.record_progress(connection, training_id, state, phase, now, attempt)

    def begin_next_attempt(
        self, training_id: str, ended: AttemptReport, now: datetime, *, stalled_seconds: float = 0.0
    ) -> bool:
        with self._write_transaction() as connection:
            return attempt_queries.begin_next_attempt(connection, training_id, ended, now, stalled_seconds)

    def mark_changed(self, training_id: str, now: datetime) -> None:
        with self._write_transaction() as connection:
            training_queries.update_training(connection, training_id, modified_at=now)

    def finish(self, training_id: str, outcome: TrainingOutcome, *, attempt: int | None = None) -> None:
        if not outcome.state.is_final:
            raise ValueError(f"{outcome.state} is not a final state")
        with self._write_transaction() as connection:
            record = training_queries.get_training(connection, training_id)
            if not record.state.is_final and attempt_queries.is_at(record, attempt):
                training_queries.finish_training(connection, record, outcome)
        self._database.truncate_wal()
