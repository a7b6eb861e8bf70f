"""Counting what the store holds: numbers of all owners together, by a few queries that read no whole row."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.base import Counts
from airflow_dlaas.service.store.tables import UNFINISHED, WAITING, leases, trainings


def count(connection: Connection) -> Counts:
    """Count."""
    states = connection.execute(select(trainings.c.state, func.count()).group_by(trainings.c.state))
    # Grouped by a label that is no column's name: PostgreSQL would take the column.
    failure = trainings.c.error["code"].as_string().label("failure")
    failures = connection.execute(
        select(failure, func.count()).where(trainings.c.state == str(TrainingState.ERROR)).group_by("failure")
    )
    waiting = select(func.count(), func.min(trainings.c.submitted_at)).where(WAITING)
    queued, oldest = connection.execute(waiting).one()
    held = connection.execute(select(trainings.c.gpus).where(UNFINISHED, ~WAITING)).scalars()
    return Counts(
        states={TrainingState(state): number for state, number in states},
        failures={str(code): number for code, number in failures if code is not None},
        queued=queued,
        queued_since=oldest,
        slots_held=sum(len(slots) for slots in held),
        led_until={lease.role: lease.until for lease in connection.execute(select(leases.c.role, leases.c.until))},
    )
