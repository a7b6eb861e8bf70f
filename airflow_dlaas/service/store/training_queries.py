"""Queries for trainings and updates of them, in a transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select, update

from airflow_dlaas.contract.state import TRANSITIONS, TrainingState
from airflow_dlaas.exceptions import Conflict, NotFound
from airflow_dlaas.service.store import rows, unreadable_rows, usage_queries
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord
from airflow_dlaas.service.store.row_reader import read_rows
from airflow_dlaas.service.store.tables import counter, trainings


def select_trainings(connection: Connection, query: Select[Any]) -> list[TrainingRecord]:
    """Return the trainings that *query* finds, of `rows.TRAINING_COLUMNS`."""
    return read_rows(
        connection, query, trainings.c.seq, rows.training_from_row, unreadable_rows.training_from_unreadable_row
    )


def get_training(connection: Connection, training_id: str, owner: str | None = None) -> TrainingRecord:
    """Return a training, of *owner* only if one is given; raise `NotFound` if there is none."""
    query = select(*rows.TRAINING_COLUMNS).where(trainings.c.id == training_id)
    if owner is not None:
        query = query.where(trainings.c.owner == owner)
    found = select_trainings(connection, query)
    if not found:
        raise training_not_found(training_id)
    return found[0]


def find_by_key(connection: Connection, owner: str, key: str | None, request_digest: str) -> TrainingRecord | None:
    """Return the training that *key* created, or None; raise `Conflict` if it came with another *request_digest*."""
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
    return get_training(connection, row.id)


def list_changes(connection: Connection, owner: str, after: int, limit: int) -> Sequence[TrainingRecord]:
    """Return up to *limit* trainings with a revision above *after*, lowest revision first."""
    query = select(*rows.TRAINING_COLUMNS).where(trainings.c.owner == owner, trainings.c.revision > after)
    found = select_trainings(connection, query.order_by(trainings.c.revision).limit(limit))
    highest = connection.execute(select(counter.c.revision)).scalar_one()
    # A damaged revision has no place in the order: each call would return the training again.
    return [record for record in found if after < record.revision <= highest]


def next_revision(connection: Connection) -> int:
    """Increment the revision of the database, and return it."""
    up = update(counter).values(revision=counter.c.revision + 1).returning(counter.c.revision)
    return int(connection.execute(up).scalar_one())


def update_training(connection: Connection, training_id: str, **values: Any) -> None:
    """Update columns of a training, with a new revision, and the record of its GPU slots."""
    values["revision"] = next_revision(connection)
    connection.execute(update(trainings).where(trainings.c.id == training_id).values(values))
    usage_queries.record_change(connection, training_id, values)


def finish_training(connection: Connection, record: TrainingRecord, outcome: TrainingOutcome, **values: Any) -> None:
    """Record the outcome of a training, and erase its secrets."""
    running_at = record.running_at
    if not record.state.can_transition_to(outcome.state):
        # This happens only if a learner started and ended while no dispatcher observed it. It was running in between.
        if outcome.state not in TRANSITIONS[TrainingState.RUNNING]:
            raise ValueError(f"Training {record.id} is {record.state} and cannot end as {outcome.state}")
        running_at = record.started_at or outcome.finished_at
    update_training(
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
        data_report=rows.model_to_json(outcome.data_report),
        secrets=None,
        **values,
    )
    if outcome.stalled_seconds:
        usage_queries.record_stalled(connection, record.id, outcome.stalled_seconds)


def training_not_found(training_id: str) -> NotFound:
    """Return the error for an unknown training."""
    return NotFound(f"There is no training {training_id}")
