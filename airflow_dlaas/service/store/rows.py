"""Between a row of the database and a record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, RowMapping

from airflow_dlaas.contract.problem import ProblemError
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.store.base import ExperimentRecord, TrainingRecord, VersionRecord
from airflow_dlaas.service.store.tables import experiments, trainings, versions

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


def version(row: RowMapping) -> VersionRecord:
    """Read a row of `VERSION`."""
    return VersionRecord(**row)


def experiment(row: RowMapping) -> tuple[ExperimentRecord, VersionRecord]:
    """Read a row of `EXPERIMENT`: an experiment and one of its versions."""
    values = dict(row)
    of_version = {column.name: values.pop(f"version_{column.name}") for column in versions.c}
    return ExperimentRecord(**values), VersionRecord(**of_version)


def training(row: RowMapping) -> TrainingRecord:
    """Read a row of `TRAINING`."""
    values = dict(row)
    values["state"] = TrainingState(values["state"])
    values["phase"] = Phase(values["phase"]) if values["phase"] else None
    values["gpus"] = tuple(values["gpus"])
    values["error"] = ProblemError.model_validate(values["error"]) if values["error"] else None
    return TrainingRecord(**values)


def training_values(record: TrainingRecord) -> dict[str, Any]:
    """Spell *record* as the columns of its row."""
    values = {column.name: getattr(record, column.name) for column in TRAINING}
    values["state"] = str(record.state)
    values["phase"] = str(record.phase) if record.phase else None
    values["gpus"] = list(record.gpus)
    values["definition"] = dict(record.definition)
    values["error"] = record.error.model_dump(mode="json") if record.error else None
    return values
