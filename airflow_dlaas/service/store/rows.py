"""Between a row of the database and a record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter
from sqlalchemy import Column, ColumnElement
from sqlalchemy.exc import DataError
from typing_extensions import TypedDict

from airflow_dlaas.contract.problem import ProblemError
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.words import without_nulls
from airflow_dlaas.service.logged_once import LoggedOnce
from airflow_dlaas.service.store.base import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.tables import experiments, trainings, versions

log = logging.getLogger(__name__)
_damaged = LoggedOnce(log)

R = TypeVar("R", ExperimentRecord, TrainingRecord, VersionRecord)

VERSION = tuple(versions.c)
EXPERIMENT: tuple[ColumnElement[Any], ...] = (
    experiments.c.id,
    experiments.c.owner,
    experiments.c.draft,
    experiments.c.created_at,
    *(column.label(f"version_{column.name}") for column in versions.c),
)

_KEPT_APART = {"seq", "secrets", "key", "request_digest"}
TRAINING: tuple[Column[Any], ...] = tuple(column for column in trainings.c if column.name not in _KEPT_APART)
"""All of a training but what is asked for by name: no listing carries secrets about."""

DAMAGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError)
"""What reading a value raises that the database holds and that is not of its column's kind: drivers convert values
while rows are fetched, so one such value ends the whole query."""

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""Stands for a time that cannot be read."""


def version(row: Mapping[str, Any]) -> VersionRecord:
    """
    Read a row of `VERSION`.

    :raises one of DAMAGE: a value is not of its column's kind.
    """
    return _checked(VersionRecord, row)


def experiment(row: Mapping[str, Any]) -> tuple[ExperimentRecord, VersionRecord]:
    """
    Read a row of `EXPERIMENT`: an experiment and one of its versions.

    :raises one of DAMAGE: a value is not of its column's kind.
    """
    values = dict(row)
    of_version = {column.name: values.pop(f"version_{column.name}") for column in versions.c}
    return _checked(ExperimentRecord, values), _checked(VersionRecord, of_version)


def training(row: Mapping[str, Any]) -> TrainingRecord:
    """
    Read a row of `TRAINING`.

    :raises one of DAMAGE: a value is not of its column's kind.
    """
    values = dict(row)
    for name, read in _READ.items():
        values[name] = read(values[name])
    return _checked(TrainingRecord, values)


def salvage_training(read: Callable[[Column[Any]], Any]) -> TrainingRecord:
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
            value = _READ[column.name](raw) if column.name in _READ else raw
            found[column.name] = _field(TrainingRecord, column.name, value)
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


def training_values(record: TrainingRecord) -> dict[str, Any]:
    """Spell *record* as the columns of its row."""
    values = {column.name: getattr(record, column.name) for column in TRAINING}
    values["state"] = str(record.state)
    values["phase"] = str(record.phase) if record.phase else None
    values["gpus"] = list(record.gpus)
    values["definition"] = dict(record.definition)
    values["error"] = record.error.model_dump(mode="json") if record.error else None
    return values


def _gpus(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise TypeError("not a list")
    return tuple(raw)


_READ: dict[str, Callable[[Any], Any]] = {
    "state": TrainingState,
    "phase": lambda raw: Phase(raw) if raw else None,
    "gpus": _gpus,
    "error": lambda raw: ProblemError.model_validate(raw) if raw else None,
    "definition": without_nulls,  # older versions stored a key that was sent as null
}
"""By column: what makes the field of a record of it."""


@cache
def _adapters(kind: Hashable) -> tuple[TypeAdapter[dict[str, Any]], dict[str, TypeAdapter[Any]]]:
    """What checks all fields of *kind*, a record, at once, and what checks each."""
    hints = get_type_hints(kind)
    del hints["damage"]
    # A dictionary with typed keys: strictly, a dataclass would take instances of itself only.
    whole: TypeAdapter[dict[str, Any]] = TypeAdapter(TypedDict("Row", hints))  # type: ignore[operator]
    return whole, {name: TypeAdapter(hint) for name, hint in hints.items()}


def _checked(kind: type[R], values: Mapping[str, Any]) -> R:
    whole, _ = _adapters(cast("Hashable", kind))
    return kind(**whole.validate_python(values, strict=True))


def _field(kind: type[R], name: str, value: Any) -> Any:
    _, each = _adapters(cast("Hashable", kind))
    return each[name].validate_python(value, strict=True)


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
            made[field.name] = _field(kind, field.name, values[field.name])
        except DAMAGE:
            damage.append(field.name)
            hint = get_type_hints(kind)[field.name]
            made[field.name] = field.default if field.default is not MISSING else stand_ins.get(hint, {})
    return kind(**made, damage=", ".join(damage) or None)
