"""What clients change of a training that exists, in a transaction of the caller."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, update

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import Conflict
from airflow_dlaas.service.store import rows, training_queries
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord
from airflow_dlaas.service.store.tables import trainings


def request_cancel(connection: Connection, owner: str, training_id: str, now: datetime) -> TrainingRecord:
    """Request the cancellation of a training; see `Store.request_cancel`."""
    record = training_queries.get_training(connection, training_id, owner)
    if record.state.is_final or record.cancel_requested:
        return record
    if record.started_at is None:
        training_queries.finish_training(
            connection, record, TrainingOutcome(TrainingState.CANCELED, now), cancel_requested=True
        )
    else:
        training_queries.update_training(connection, training_id, modified_at=now, cancel_requested=True)
    return training_queries.get_training(connection, training_id)


def acknowledge(connection: Connection, owner: str, training_id: str, now: datetime) -> TrainingRecord:
    """Record that the client has the result of a training; see `Store.acknowledge`."""
    record = training_queries.get_training(connection, training_id, owner)
    if record.state is not TrainingState.COMPLETED:
        raise Conflict(
            f"Training {training_id} is {record.state}: only the result of a completed training can be acknowledged"
        )
    if record.acknowledged_at is not None:
        return record
    # Without a new revision: nothing has changed that a client waits for.
    connection.execute(update(trainings).where(trainings.c.id == training_id).values(acknowledged_at=now))
    return training_queries.get_training(connection, training_id)


def set_annotations(
    connection: Connection, owner: str, training_id: str, annotations: Annotations, now: datetime
) -> TrainingRecord:
    """Set the note and the tags of a training; see `Store.set_annotations`."""
    record = training_queries.get_training(connection, training_id, owner)
    if record.unreadable_columns is None and (record.note, record.tags) == (annotations.note, annotations.tags):
        return record
    values = rows.annotations_to_row(annotations.note, annotations.tags)
    training_queries.update_training(connection, training_id, modified_at=now, **values)
    return training_queries.get_training(connection, training_id)
