"""The queue, and the states of several trainings of any owner, in a transaction of the caller."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, func, select

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.tables import FINAL_STATES, IS_QUEUED, trainings

MAX_IDS_PER_QUERY = 1000
"""Ids in one query: databases limit the number of parameters of a statement."""

STATES_BY_NAME = {str(state): state for state in TrainingState}


def get_states(connection: Connection, ids: Collection[str]) -> Mapping[str, TrainingState | None]:
    """Return the states of the trainings with these *ids*; None for one that this version does not know."""
    wanted, found = list(ids), dict[str, TrainingState | None]()
    query = select(trainings.c.id, trainings.c.state)
    for start in range(0, len(wanted), MAX_IDS_PER_QUERY):
        some = trainings.c.id.in_(wanted[start : start + MAX_IDS_PER_QUERY])
        found.update((row.id, STATES_BY_NAME.get(row.state)) for row in connection.execute(query.where(some)))
    return found


def list_queue(connection: Connection) -> Sequence[str]:
    """Return the ids of the trainings that wait for slots, in the order of submission."""
    return connection.execute(select(trainings.c.id).where(IS_QUEUED).order_by(trainings.c.seq)).scalars().all()


def get_position(connection: Connection, training_id: str) -> int | None:
    """Return the number of queued trainings before this one; None if it does not wait for slots."""
    mine = trainings.alias("mine")
    before = select(func.count()).select_from(trainings).where(IS_QUEUED, trainings.c.seq < mine.c.seq)
    query = select(before.correlate(mine).scalar_subquery()).where(
        mine.c.id == training_id, mine.c.state.not_in(FINAL_STATES), mine.c.started_at.is_(None)
    )
    return connection.execute(query).scalar()
