"""The experiments of `airflow_dlaas.service.store.sql.SqlStore`, whose other part is about trainings."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from airflow_dlaas.service.store import experiment_queries, rows
from airflow_dlaas.service.store.database import Database
from airflow_dlaas.service.store.records import ExperimentRecord, VersionRecord
from airflow_dlaas.service.store.tables import experiments, versions


class SqlExperiments:
    """
    The methods for experiments; they are documented in `airflow_dlaas.service.store.base.Store`.

    Call nothing else of it: `SqlStore` is the whole store.
    """

    _database: Database

    def _read_transaction(self) -> AbstractContextManager[Connection]:
        return self._database.read_transaction()

    def _write_transaction(self) -> AbstractContextManager[Connection]:
        return self._database.write_transaction()

    def create_experiment(self, experiment: ExperimentRecord, version: VersionRecord) -> None:
        with self._write_transaction() as connection:
            connection.execute(
                insert(experiments).values(
                    id=experiment.id,
                    owner=experiment.owner,
                    draft=dict(experiment.draft),
                    created_at=experiment.created_at,
                )
            )
            experiment_queries.insert_version(connection, version)

    def add_version(self, owner: str, experiment_id: str, version_id: str, now: datetime) -> VersionRecord:
        with self._write_transaction() as connection:
            _, newest = experiment_queries.get_experiment(connection, owner, experiment_id)
            version = VersionRecord(version_id, experiment_id, newest.number + 1, now)
            experiment_queries.insert_version(connection, version)
        return version

    def list_experiments(self, owner: str) -> Sequence[tuple[ExperimentRecord, VersionRecord]]:
        with self._read_transaction() as connection:
            return experiment_queries.select_experiments(
                connection, experiment_queries.newest_version_query(owner).order_by(experiments.c.seq.desc())
            )

    def get_experiment(self, owner: str, experiment_id: str) -> tuple[ExperimentRecord, VersionRecord]:
        with self._read_transaction() as connection:
            return experiment_queries.get_experiment(connection, owner, experiment_id)

    def list_versions(self, owner: str, experiment_id: str) -> Sequence[VersionRecord]:
        with self._read_transaction() as connection:
            query = (
                select(*rows.VERSION_COLUMNS)
                .join(experiments)
                .where(experiment_queries.matches_experiment(owner, experiment_id))
            )
            found = experiment_queries.select_versions(connection, query.order_by(versions.c.number))
        if not found:
            raise experiment_queries.experiment_not_found(experiment_id)
        return found

    def get_version(self, owner: str, experiment_id: str, version_id: str) -> VersionRecord:
        with self._read_transaction() as connection:
            return experiment_queries.get_version(connection, owner, experiment_id, version_id)

    def set_content(self, owner: str, experiment_id: str, version_id: str, digest: str, size: int) -> None:
        with self._write_transaction() as connection:
            experiment_queries.get_version(connection, owner, experiment_id, version_id)
            connection.execute(update(versions).where(versions.c.id == version_id).values(digest=digest, size=size))

    def delete_experiment(self, owner: str, experiment_id: str) -> None:
        with self._write_transaction() as connection:
            if not connection.execute(
                delete(experiments).where(experiment_queries.matches_experiment(owner, experiment_id))
            ).rowcount:
                raise experiment_queries.experiment_not_found(experiment_id)
