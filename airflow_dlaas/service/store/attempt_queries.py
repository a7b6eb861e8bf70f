"""
The start and the progress of the attempts of a training, in a transaction of the caller.

A dispatcher that lost its lease without noticing it may act on an attempt that has ended. So each change names the
attempt that it is for, and changes nothing if the training is at another one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.store import rows, usage_queries
from airflow_dlaas.service.store.maintenance_table import is_start_forbidden
from airflow_dlaas.service.store.records import TrainingRecord
from airflow_dlaas.service.store.row_reader import list_held_slots
from airflow_dlaas.service.store.training_queries import get_training, update_training


def is_at(record: TrainingRecord, attempt: int | None) -> bool:
    """Whether a change for *attempt* concerns *record*; None stands for any attempt."""
    return attempt is None or record.attempt == attempt


def reserve_gpus(
    connection: Connection, training_id: str, gpus: Sequence[str], now: datetime, attempt: int | None
) -> bool:
    """Reserve *gpus* for an attempt; see `Store.reserve_gpus`."""
    record = get_training(connection, training_id)
    if record.state.is_final or record.started_at is not None or record.cancel_requested or not is_at(record, attempt):
        return False
    if not set(gpus).isdisjoint(list_held_slots(connection)) or is_start_forbidden(connection, gpus):
        return False
    update_training(connection, training_id, modified_at=now, gpus=list(gpus), started_at=now)
    return True


def set_handle(connection: Connection, training_id: str, handle: str, attempt: int | None) -> None:
    """Record the handle of the learner of an attempt; see `Store.set_handle`."""
    record = get_training(connection, training_id)
    if record.handle != handle and is_at(record, attempt):
        update_training(connection, training_id, handle=handle)


def record_progress(
    connection: Connection,
    training_id: str,
    state: TrainingState,
    phase: Phase | None,
    now: datetime,
    attempt: int | None,
) -> None:
    """Record state and phase of an attempt; see `Store.record_progress`."""
    record = get_training(connection, training_id)
    if not is_at(record, attempt):
        return
    if state.is_final or not (state == record.state or record.state.can_transition_to(state)):
        raise ValueError(f"Training {training_id} is {record.state} and cannot advance to {state}")
    values: dict[str, Any] = {"phase": str(phase) if phase else None}
    if state != record.state:
        values |= {"state": str(state), "running_at": now}
    elif phase == record.phase:
        return
    update_training(connection, training_id, modified_at=now, **values)


def begin_next_attempt(
    connection: Connection, training_id: str, ended: AttemptReport, now: datetime, stalled_seconds: float
) -> bool:
    """Add an attempt after the one that has ended; see `Store.begin_next_attempt`."""
    record = get_training(connection, training_id)
    if record.state.is_final or record.cancel_requested or record.started_at is None or record.attempt != ended.number:
        return False
    # Before the record: the row is found by the number of the attempt.
    usage_queries.close_attempt(connection, training_id, ended, now, stalled_seconds)
    update_training(
        connection,
        training_id,
        modified_at=now,
        attempt=record.attempt + 1,
        ended_attempts=rows.models_to_json((*record.ended_attempts, ended)),
        phase=str(Phase.RECOVERING),
        started_at=None,
        handle=None,
        gpus=[],
    )
    return True
