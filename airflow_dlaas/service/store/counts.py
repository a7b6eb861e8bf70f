"""Counting what the store holds: numbers of all owners together, by a few queries that read no whole row."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Text, cast, func, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.base import Counts
from airflow_dlaas.service.store.row_reader import lease_on, slots_held
from airflow_dlaas.service.store.rows import DAMAGE
from airflow_dlaas.service.store.tables import WAITING, leases, trainings

_STATES = frozenset(str(state) for state in TrainingState)


def count(connection: Connection) -> Counts:
    """Count. What cannot be read is left out of the number that it belongs to."""
    states: dict[TrainingState, int] = {}
    unknown = 0
    for state, number in connection.execute(select(trainings.c.state, func.count()).group_by(trainings.c.state)):
        if state in _STATES:
            states[TrainingState(state)] = number
        else:
            unknown += number
    found = ((role, lease_on(connection, role)) for role in connection.execute(select(leases.c.role)).scalars().all())
    return Counts(
        states=states,
        failures=_failures(connection),
        queued=connection.execute(select(func.count()).select_from(trainings).where(WAITING)).scalar_one(),
        queued_since=_oldest(connection),
        slots_held=len(slots_held(connection)),
        led_until={role: lease.until for role, lease in found if lease is not None},
        unknown=unknown,
    )


def _failures(connection: Connection) -> dict[str, int]:
    # Grouped by a label that is no column's name: PostgreSQL would take the column.
    failure = trainings.c.error["code"].as_string().label("failure")
    query = select(failure, func.count()).where(trainings.c.state == str(TrainingState.ERROR)).group_by("failure")
    if connection.dialect.name == "sqlite":
        query = query.where(func.json_valid(trainings.c.error) == 1)  # PostgreSQL stores nothing else
    try:
        with connection.begin_nested():  # an error ends PostgreSQL's transaction, or back to here
            return {str(code): number for code, number in connection.execute(query) if code is not None}
    except DAMAGE:  # PostgreSQL takes no text out of JSON that has a null character, in whichever of its strings
        texts = connection.execute(
            select(cast(trainings.c.error, Text)).where(trainings.c.state == str(TrainingState.ERROR))
        ).scalars()
        return Counter(code for text in texts if (code := _code(text)) is not None)


def _code(text: Any) -> str | None:
    try:
        code = from_json(text)["code"]
    except DAMAGE:
        return None
    return code if isinstance(code, str) else None


def _oldest(connection: Connection) -> datetime | None:
    try:
        return connection.execute(select(func.min(trainings.c.submitted_at)).where(WAITING)).scalar()
    except DAMAGE:
        return None
