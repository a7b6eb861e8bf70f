"""
The table of used GPU slots: one row for each attempt of a training that was started, also after the training was
deleted.

A row changes in the transaction that changes its training (`training_queries.update_training`), so that the two agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Double, String, case, func, insert, literal, select, update

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.service.store.row_reader import read_rows
from airflow_dlaas.service.store.rows import ROW_READ_ERRORS
from airflow_dlaas.service.store.tables import UtcDateTime, trainings, usage
from airflow_dlaas.service.store.usage_record import UsageRecord

_COPIED_COLUMNS = ("attempt", "owner", "slots", "submitted_at", "started_at", "state")
_USAGE_COLUMNS = tuple(column for column in usage.c if column.name != "seq")


def record_change(connection: Connection, training_id: str, changed: Mapping[str, Any]) -> None:
    """Bring the row of a training's attempt up to date after the columns *changed* of its record were written."""
    if changed.get("started_at") is not None:
        _insert_row(connection, training_id)
    elif "state" in changed or "phase" in changed:
        values = {name: changed[name] for name in ("state", "exit_code", "finished_at") if name in changed}
        if (error := changed.get("error")) is not None:
            values["error_code"] = error["code"]
        if changed.get("finished_at") is not None or changed.get("phase") == str(Phase.STORING):
            values["released_at"] = func.coalesce(usage.c.released_at, _not_before_start(changed["modified_at"]))
        if values:
            connection.execute(update(usage).where(_is_present_attempt(training_id)).values(values))


def record_stalled(connection: Connection, training_id: str, seconds: float) -> None:
    """Record for how long the command of the training's present attempt did no work."""
    connection.execute(update(usage).where(_is_present_attempt(training_id)).values(stalled_seconds=seconds))


def close_attempt(
    connection: Connection, training_id: str, ended: AttemptReport, now: datetime, stalled_seconds: float
) -> None:
    """Record the end of an attempt that another one follows: the training goes on, and this row ends as an error."""
    values = {
        "state": str(TrainingState.ERROR),
        "error_code": ended.code,
        "exit_code": ended.exit_code,
        "finished_at": now,
        "released_at": func.coalesce(usage.c.released_at, _not_before_start(now)),
        "stalled_seconds": stalled_seconds,
    }
    connection.execute(
        update(usage).where(usage.c.training_id == training_id, usage.c.attempt == ended.number).values(values)
    )


def list_usage(connection: Connection, owner: str | None, since: datetime, until: datetime) -> Sequence[UsageRecord]:
    """Return the rows of *owner*, or of all users, that held slots between *since* and *until*; see `Store`."""
    query = select(*_USAGE_COLUMNS).where(
        usage.c.started_at < until, usage.c.released_at.is_(None) | (usage.c.released_at > since)
    )
    if owner is not None:
        query = query.where(usage.c.owner == owner)
    found = read_rows(connection, query.order_by(usage.c.seq), usage.c.training_id, _parse_row, lambda _: None)
    return [record for record in found if record is not None]


def _insert_row(connection: Connection, training_id: str) -> None:
    tag = _task_tag(connection, training_id)
    copied = select(
        trainings.c.id,
        *(trainings.c[name] for name in _COPIED_COLUMNS),
        *(_literal(value) for value in (tag and tag.dag_id, tag and tag.task_id)),
        _literal(0.0),
    ).where(trainings.c.id == training_id)
    names = ("training_id", *_COPIED_COLUMNS, "dag_id", "task_id", "stalled_seconds")
    connection.execute(insert(usage).from_select(names, copied))


def _is_present_attempt(training_id: str) -> ColumnElement[bool]:
    attempt = select(trainings.c.attempt).where(trainings.c.id == training_id).scalar_subquery()
    return (usage.c.training_id == training_id) & (usage.c.attempt == attempt)


def _literal(value: Any) -> ColumnElement[Any]:
    return literal(value, Double if isinstance(value, float) else String)


def _task_tag(connection: Connection, training_id: str) -> TaskTag | None:
    try:
        definition = connection.execute(select(trainings.c.definition).where(trainings.c.id == training_id)).scalar()
        return TaskTag.from_description(cast("Any", definition)["model_definition"].get("description") or "")
    except ROW_READ_ERRORS:  # a damaged definition must not keep the training from its start
        return None


def _not_before_start(moment: datetime) -> ColumnElement[Any]:
    """Return *moment*, or the start if that is later: the clocks of the learner and of the service may differ."""
    return case((usage.c.started_at > moment, usage.c.started_at), else_=literal(moment, UtcDateTime))


def _parse_row(row: Mapping[str, Any]) -> UsageRecord:
    slots: Any = row["slots"]  # SQLite stores a value of any type
    if not isinstance(slots, int) or slots < 0:
        raise ValueError("the number of slots is no number, or negative")
    return UsageRecord(**row)
