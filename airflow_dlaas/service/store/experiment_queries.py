"""Queries for experiments and their versions, in a transaction of the caller."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, func, insert, select

from airflow_dlaas.exceptions import NotFound
from airflow_dlaas.service.store import rows, unreadable_rows
from airflow_dlaas.service.store.records import ExperimentRecord, VersionRecord
from airflow_dlaas.service.store.row_reader import read_rows
from airflow_dlaas.service.store.tables import experiments, versions


def newest_version_query(owner: str) -> Select[Any]:
    """Return the query for the experiments of *owner*, each with its newest version."""
    other = versions.alias("other")
    newest = select(func.max(other.c.number)).where(other.c.experiment_id == experiments.c.id).scalar_subquery()
    return (
        select(*rows.EXPERIMENT_COLUMNS)
        .join(versions, versions.c.experiment_id == experiments.c.id)
        .where(experiments.c.owner == owner, versions.c.number == newest)
    )


def matches_experiment(owner: str, experiment_id: str) -> Any:
    """Return the condition that selects one experiment of *owner*."""
    return (experiments.c.owner == owner) & (experiments.c.id == experiment_id)


def get_experiment(connection: Connection, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
    """Return an experiment with its newest version; raise `NotFound` if there is none."""
    found = select_experiments(connection, newest_version_query(owner).where(experiments.c.id == experiment_id))
    if not found:
        raise experiment_not_found(experiment_id)
    return found[0]


def get_version(connection: Connection, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
    """Return a version of an experiment; raise `NotFound` if there is none."""
    query = (
        select(*rows.VERSION_COLUMNS)
        .join(experiments)
        .where(matches_experiment(owner, experiment_id), versions.c.id == version_id)
    )
    found = select_versions(connection, query)
    if not found:
        raise NotFound(f"There is no version {version_id} of an experiment {experiment_id}")
    return found[0]


def insert_version(connection: Connection, version: VersionRecord) -> None:
    """Insert *version*."""
    values = {column.name: getattr(version, column.name) for column in versions.c}
    connection.execute(insert(versions).values(values))


def select_experiments(connection: Connection, query: Select[Any]) -> list[tuple[ExperimentRecord, VersionRecord]]:
    """Return the experiments and versions that *query* finds, of `rows.EXPERIMENT_COLUMNS`."""
    return read_rows(
        connection, query, versions.c.id, rows.experiment_from_row, unreadable_rows.experiment_from_unreadable_row
    )


def select_versions(connection: Connection, query: Select[Any]) -> list[VersionRecord]:
    """Return the versions that *query* finds, of `rows.VERSION_COLUMNS`."""
    return read_rows(
        connection, query, versions.c.id, rows.version_from_row, unreadable_rows.version_from_unreadable_row
    )


def experiment_not_found(experiment_id: str) -> NotFound:
    """Return the error for an unknown experiment."""
    return NotFound(f"There is no experiment {experiment_id}")
