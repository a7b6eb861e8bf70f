"""Records of rows that cannot be read as a whole: what is readable of them, and stand-ins for the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from typing import Any, TypeVar, get_type_hints

from sqlalchemy import ColumnElement

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.base import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.rows import DAMAGE, EXPERIMENT, READ, TRAINING, VERSION, field_of
from airflow_dlaas.service.store.tables import versions

_damaged = LoggedOnce(logging.getLogger(__name__))

R = TypeVar("R", ExperimentRecord, TrainingRecord, VersionRecord)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""Stands for a time that cannot be read."""


def salvage_training(read: Callable[[ColumnElement[Any]], Any]) -> TrainingRecord:
    """
    Make a record of a row that `training` cannot read: what is readable, and stand-ins for the rest.

    ``damage`` of the record names what could not be read. For a state that cannot be read stands that of a started or
    of a waiting training; so one that was started is followed to its end, which writes its state anew.

    :param read: reads one column of the row; may raise one of `DAMAGE`.
    """
    found: dict[str, Any] = {}
    damage: list[str] = []
    for column in TRAINING:
        try:
            raw = read(column)
            value = READ[column.name](raw) if column.name in READ else raw
            found[column.name] = field_of(TrainingRecord, column.name, value)
        except DAMAGE:  # noqa: PERF203 - each column by itself is what this is for
            damage.append(column.name)
    if found.get("slots", 0) < 0:
        del found["slots"]
        damage.append("slots")
    submitted = found.get("submitted_at") or found.get("modified_at") or EPOCH
    modified = found.get("modified_at") or submitted
    # A time that is there was recorded: the training was started, or has ended.
    started = found.get("started_at") is not None or "started_at" in damage
    stand_ins: dict[str, Any] = {
        "id": "",
        "owner": "",
        "definition": {},
        "code": "",
        "slots": 0,
        "runtime": "",
        "provides": "",
        "state": TrainingState.RUNNING if started else TrainingState.PENDING,
        "submitted_at": submitted,
        "modified_at": modified,
        "started_at": modified if started else None,
    }
    record = TrainingRecord(**{**stand_ins, **found}, damage=", ".join(damage) or "(unknown)")
    _damaged.warning(
        record.id,
        "The record of training %s cannot be read (columns: %s). The training is shown as unreadable, and is not "
        "started if it waits; restore the database from a backup, or delete the training",
        record.id,
        record.damage,
    )
    return record


def salvage_experiment(read: Callable[[ColumnElement[Any]], Any]) -> tuple[ExperimentRecord, VersionRecord]:
    """Make records of a row that `experiment` cannot read; see `salvage_training`."""
    values = {column.name: _or_none(read, column) for column in EXPERIMENT}
    of_version = {column.name: values.pop(f"version_{column.name}") for column in versions.c}
    made, first = _salvaged(ExperimentRecord, values), _salvaged(VersionRecord, of_version)
    _damaged.warning(
        made.id,
        "The record of experiment %s cannot be read (columns: %s). Restore the database from a backup, or delete the "
        "experiment",
        made.id,
        made.damage or first.damage,
    )
    return made, first


def salvage_version(read: Callable[[ColumnElement[Any]], Any]) -> VersionRecord:
    """Make a record of a row that `version` cannot read; see `salvage_training`."""
    return _salvaged(VersionRecord, {column.name: _or_none(read, column) for column in VERSION})


def _or_none(read: Callable[[ColumnElement[Any]], Any], column: ColumnElement[Any]) -> Any:
    try:
        return read(column)
    except DAMAGE:
        return None


def _salvaged(kind: type[R], values: Mapping[str, Any]) -> R:
    """Make a record with stand-ins for *values* that are not of their field's kind."""
    stand_ins = {str: "", int: 0, datetime: EPOCH}
    made: dict[str, Any] = {}
    damage: list[str] = []
    for field in fields(kind):
        if field.name not in values:
            continue
        try:
            made[field.name] = field_of(kind, field.name, values[field.name])
        except DAMAGE:
            damage.append(field.name)
            hint = get_type_hints(kind)[field.name]
            made[field.name] = field.default if field.default is not MISSING else stand_ins.get(hint, {})
    return kind(**made, damage=", ".join(damage) or None)
