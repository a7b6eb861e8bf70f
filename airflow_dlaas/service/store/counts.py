"""Counts trainings, of all owners together, by a few queries that read no whole row."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Text, case, cast, func, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import TrainingCounts
from airflow_dlaas.service.store.row_reader import get_lease, list_held_slots
from airflow_dlaas.service.store.rows import ROW_READ_ERRORS
from airflow_dlaas.service.store.tables import IS_QUEUED, leases, trainings

_STATE_NAMES = frozenset(str(state) for state in TrainingState)


def count_trainings(connection: Connection) -> TrainingCounts:
    """Count the trainings. A value that cannot be read is not counted."""
    states: dict[TrainingState, int] = {}
    unknown = 0
    for state, number in connection.execute(select(trainings.c.state, func.count()).group_by(trainings.c.state)):
        if state in _STATE_NAMES:
            states[TrainingState(state)] = number
        else:
            unknown += number
    role_leases = (
        (role, get_lease(connection, role)) for role in connection.execute(select(leases.c.role)).scalars().all()
    )
    queued = select(func.count()).select_from(trainings).where(IS_QUEUED)
    return TrainingCounts(
        by_state=states,
        errors_by_code=_count_errors_by_code(connection),
        queued=connection.execute(queued).scalar_one(),
        oldest_queued_at=_oldest_queued_at(connection),
        slots_held=len(list_held_slots(connection)),
        lease_expiry={role: lease.until for role, lease in role_leases if lease is not None},
        unknown_states=unknown,
        recovering=connection.execute(queued.where(trainings.c.attempt > 1)).scalar_one(),
    )


def _count_errors_by_code(connection: Connection) -> dict[str, int]:
    # The label differs from all column names: PostgreSQL would group by the column of that name.
    error_code = trainings.c.error["code"].as_string().label("error_code")
    query = select(error_code, func.count()).where(trainings.c.state == str(TrainingState.ERROR)).group_by("error_code")
    if connection.dialect.name == "sqlite":
        query = query.where(func.json_valid(trainings.c.error) == 1)  # PostgreSQL stores only valid JSON
    try:
        with connection.begin_nested():  # an error ends the transaction of PostgreSQL, except for a savepoint
            return {str(code): number for code, number in connection.execute(query) if code is not None}
    except ROW_READ_ERRORS:
        # PostgreSQL extracts no text from JSON with a null character in any of its strings.
        texts = connection.execute(
            select(cast(trainings.c.error, Text)).where(trainings.c.state == str(TrainingState.ERROR))
        ).scalars()
        return Counter(code for text in texts if (code := _error_code(text)) is not None)


def _error_code(text: Any) -> str | None:
    try:
        code = from_json(text)["code"]
    except ROW_READ_ERRORS:
        return None
    return code if isinstance(code, str) else None


def _oldest_queued_at(connection: Connection) -> datetime | None:
    # Nothing but a note changes a training between two attempts: it was modified when it began to wait.
    since = case((trainings.c.attempt > 1, trainings.c.modified_at), else_=trainings.c.submitted_at)
    try:
        return connection.execute(select(func.min(since)).where(IS_QUEUED)).scalar()
    except ROW_READ_ERRORS:
        return None
