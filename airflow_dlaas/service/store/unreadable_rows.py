"""Records of unreadable rows: the readable columns, and placeholders for the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime, timezone
from typing import Any, TypeVar, get_type_hints

from sqlalchemy import ColumnElement

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.rows import (
    COLUMN_PARSERS,
    EXPERIMENT_COLUMNS,
    ROW_READ_ERRORS,
    TRAINING_COLUMNS,
    VERSION_COLUMNS,
    validate_field,
)
from airflow_dlaas.service.store.tables import versions

_log_once = LoggedOnce(logging.getLogger(__name__))

RecordT = TypeVar("RecordT", ExperimentRecord, TrainingRecord, VersionRecord)

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""The placeholder of a time that cannot be read."""


def training_from_unreadable_row(read_column: Callable[[ColumnElement[Any]], Any]) -> TrainingRecord:
    """
    Make a record of a row that `training_from_row` cannot read: readable columns, and placeholders for the others.

    `unreadable_columns` of the record names the others. The placeholder of the state is that of a started or of a
    queued training, so that the dispatcher observes a started one until it ends, which overwrites the state.

    :param read_column: reads one column of the row; may raise one of `ROW_READ_ERRORS`.
    """
    found: dict[str, Any] = {}
    unreadable_columns: list[str] = []
    for column in TRAINING_COLUMNS:
        try:
            raw = read_column(column)
            value = COLUMN_PARSERS[column.name](raw) if column.name in COLUMN_PARSERS else raw
            found[column.name] = validate_field(TrainingRecord, column.name, value)
        except ROW_READ_ERRORS:  # noqa: PERF203 - each column is read separately on purpose
            unreadable_columns.append(column.name)
    if found.get("slots", 0) < 0:
        del found["slots"]
        unreadable_columns.append("slots")
    submitted = found.get("submitted_at") or found.get("modified_at") or UNIX_EPOCH
    modified = found.get("modified_at") or submitted
    # A time was recorded even if it cannot be read: the training was started.
    started = found.get("started_at") is not None or "started_at" in unreadable_columns
    placeholders: dict[str, Any] = {
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
    record = TrainingRecord(
        **{**placeholders, **found}, unreadable_columns=", ".join(unreadable_columns) or "(unknown)"
    )
    _log_once.warning(
        record.id,
        "The record of training %s cannot be read (columns: %s). The training is reported as unreadable, and is not "
        "started if it is queued; restore the database from a backup, or delete the training",
        record.id,
        record.unreadable_columns,
    )
    return record


def experiment_from_unreadable_row(
    read_column: Callable[[ColumnElement[Any]], Any],
) -> tuple[ExperimentRecord, VersionRecord]:
    """Make records of a row that `experiment_from_row` cannot read; see `training_from_unreadable_row`."""
    values = {column.name: _read_column_or_none(read_column, column) for column in EXPERIMENT_COLUMNS}
    version_values = {column.name: values.pop(f"version_{column.name}") for column in versions.c}
    experiment, version = (
        _record_with_placeholders(ExperimentRecord, values),
        _record_with_placeholders(VersionRecord, version_values),
    )
    _log_once.warning(
        experiment.id,
        "The record of experiment %s cannot be read (columns: %s). Restore the database from a backup, or delete the "
        "experiment",
        experiment.id,
        experiment.unreadable_columns or version.unreadable_columns,
    )
    return experiment, version


def version_from_unreadable_row(read_column: Callable[[ColumnElement[Any]], Any]) -> VersionRecord:
    """Make a record of a row that `version_from_row` cannot read; see `training_from_unreadable_row`."""
    return _record_with_placeholders(
        VersionRecord, {column.name: _read_column_or_none(read_column, column) for column in VERSION_COLUMNS}
    )


def _read_column_or_none(read_column: Callable[[ColumnElement[Any]], Any], column: ColumnElement[Any]) -> Any:
    try:
        return read_column(column)
    except ROW_READ_ERRORS:
        return None


def _record_with_placeholders(record_type: type[RecordT], values: Mapping[str, Any]) -> RecordT:
    """Make a record with placeholders for *values* that are not of their field's type."""
    placeholders = {str: "", int: 0, datetime: UNIX_EPOCH}
    field_values: dict[str, Any] = {}
    unreadable_columns: list[str] = []
    for field in fields(record_type):
        if field.name not in values:
            continue
        try:
            field_values[field.name] = validate_field(record_type, field.name, values[field.name])
        except ROW_READ_ERRORS:
            unreadable_columns.append(field.name)
            hint = get_type_hints(record_type)[field.name]
            field_values[field.name] = field.default if field.default is not MISSING else placeholders.get(hint, {})
    return record_type(**field_values, unreadable_columns=", ".join(unreadable_columns) or None)
