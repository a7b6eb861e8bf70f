"""Converts rows of the database to records, and records to rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import BaseModel, TypeAdapter
from pydantic_core import from_json
from sqlalchemy import Column, ColumnElement, func
from sqlalchemy.exc import DataError
from typing_extensions import TypedDict

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.base import without_nulls
from airflow_dlaas.contract.data_report import DataReport
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.job_spec import CheckpointSource
from airflow_dlaas.service.store.records import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.tables import experiments, trainings, versions

RecordT = TypeVar("RecordT", ExperimentRecord, TrainingRecord, VersionRecord)

VERSION_COLUMNS = tuple(versions.c)
EXPERIMENT_COLUMNS: tuple[ColumnElement[Any], ...] = (
    experiments.c.id,
    experiments.c.owner,
    experiments.c.draft,
    experiments.c.created_at,
    *(column.label(f"version_{column.name}") for column in versions.c),
)

_EXCLUDED_COLUMNS = {"seq", "secrets", "key", "request_digest"}
TRAINING_COLUMNS: tuple[Column[Any], ...] = tuple(
    column for column in trainings.c if column.name not in _EXCLUDED_COLUMNS
)
"""The columns of a record. Secrets are not among them, so that no listing reads them."""

ROW_READ_ERRORS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, DataError)
"""Errors of reading a value that is not of its column's type. Drivers convert values while rows are fetched, so that
one such value ends the whole query."""


def version_from_row(row: Mapping[str, Any]) -> VersionRecord:
    """
    Read a row of `VERSION_COLUMNS`.

    :raises ROW_READ_ERRORS: a value is not of its column's type.
    """
    return _validated_record(VersionRecord, row)


def experiment_from_row(row: Mapping[str, Any]) -> tuple[ExperimentRecord, VersionRecord]:
    """
    Read a row of `EXPERIMENT_COLUMNS`: an experiment and one of its versions.

    :raises ROW_READ_ERRORS: a value is not of its column's type.
    """
    values = dict(row)
    version_values = {column.name: values.pop(f"version_{column.name}") for column in versions.c}
    return _validated_record(ExperimentRecord, values), _validated_record(VersionRecord, version_values)


def training_from_row(row: Mapping[str, Any]) -> TrainingRecord:
    """
    Read a row of `TRAINING_COLUMNS`.

    :raises ROW_READ_ERRORS: a value is not of its column's type.
    """
    values = dict(row)
    for name, parse in COLUMN_PARSERS.items():
        values[name] = parse(values[name])
    if values["slots"] < 0:
        raise ValueError("the number of slots is negative")
    return _validated_record(TrainingRecord, values)


def training_to_row(record: TrainingRecord) -> dict[str, Any]:
    """Return the values of the columns for *record*."""
    values = {column.name: getattr(record, column.name) for column in TRAINING_COLUMNS}
    values["state"] = str(record.state)
    values["phase"] = str(record.phase) if record.phase else None
    values["gpus"] = list(record.gpus)
    values |= annotations_to_row(record.note, record.tags)
    values["ended_attempts"] = models_to_json(record.ended_attempts)
    values["checkpoint_sources"] = models_to_json(record.checkpoint_sources)
    values["definition"] = dict(record.definition)
    values["data_report"] = model_to_json(record.data_report)
    values["error"] = record.error.model_dump(mode="json") if record.error else None
    return values


def annotations_to_row(note: str, tags: Iterable[str]) -> dict[str, str | None]:
    """Return the values of the columns of a note and tags; `tags_contain` reads the same form."""
    text = ",".join(tags)
    return {"note": note or None, "tags": f",{text}," if text else None}


def tags_contain(tag: str) -> ColumnElement[bool]:
    """Return the condition that a training has *tag*."""
    # Not LIKE, which ignores the case in SQLite. Both databases have this function.
    return func.replace(trainings.c.tags, f",{tag},", ",") != trainings.c.tags


def _parse_tags(raw: Any) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not raw.startswith(",") or not raw.endswith(",") or len(raw) < 3:
        raise ValueError("not a list of tags")
    return Annotations(tags=tuple(raw[1:-1].split(","))).tags


def models_to_json(models: Iterable[BaseModel]) -> list[Any] | None:
    """Return the value of a JSON column with *models*; None, which is NULL, if there are none."""
    return [one.model_dump(mode="json", exclude_none=True) for one in models] or None


def model_to_json(model: BaseModel | None) -> Any:
    """Return the value of a JSON column with *model*; None, which is NULL, without one."""
    # By its JSON: a NaN in a file of a job is a text there, and PostgreSQL accepts no other.
    return None if model is None else from_json(model.model_dump_json(exclude_none=True))


def _parse_models(model: type[BaseModel]) -> Callable[[Any], Any]:
    def parse(raw: Any) -> tuple[BaseModel, ...]:
        if raw is not None and not isinstance(raw, list):
            raise TypeError("not a list")
        return tuple(model.model_validate(one) for one in raw or ())

    return parse


def _parse_gpus(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise TypeError("not a list")
    return tuple(raw)


COLUMN_PARSERS: dict[str, Callable[[Any], Any]] = {
    "state": TrainingState,
    "phase": lambda raw: Phase(raw) if raw else None,
    "gpus": _parse_gpus,
    "error": lambda raw: ErrorItem.model_validate(raw) if raw else None,
    "note": lambda raw: "" if raw is None else raw,
    "tags": _parse_tags,
    "ended_attempts": _parse_models(AttemptReport),
    "checkpoint_sources": _parse_models(CheckpointSource),
    "data_report": lambda raw: None if raw is None else DataReport.model_validate(raw),
    "definition": without_nulls,  # older versions stored a key that was sent as null
}
"""By column: the function that converts its value to the field of a record."""


@cache
def _type_adapters(record_type: Hashable) -> tuple[TypeAdapter[dict[str, Any]], dict[str, TypeAdapter[Any]]]:
    """Return the adapter that checks all fields of *record_type* at once, and the adapters of the single fields."""
    hints = get_type_hints(record_type)
    del hints["unreadable_columns"]
    # A typed dictionary: in strict mode, a dataclass accepts only instances of itself.
    whole: TypeAdapter[dict[str, Any]] = TypeAdapter(TypedDict("Row", hints))  # type: ignore[operator]
    return whole, {name: TypeAdapter(hint) for name, hint in hints.items()}


def _validated_record(record_type: type[RecordT], values: Mapping[str, Any]) -> RecordT:
    whole, _ = _type_adapters(cast("Hashable", record_type))
    return record_type(**whole.validate_python(values, strict=True))


def validate_field(record_type: type[RecordT], name: str, value: Any) -> Any:
    """Return the checked value of one field of a record; raise one of `ROW_READ_ERRORS`."""
    _, field_adapters = _type_adapters(cast("Hashable", record_type))
    return field_adapters[name].validate_python(value, strict=True)
