"""The table of drain and cordons: see `airflow_dlaas.service.store.maintenance`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from airflow_dlaas.service.store.database import Database
from airflow_dlaas.service.store.maintenance import MaintenanceRecord, MaintenanceState
from airflow_dlaas.service.store.row_reader import list_held_slots
from airflow_dlaas.service.store.tables import maintenance

DRAIN = "drain"
"""The subject of the row by which the service is drained."""

CORDON_PREFIX = "gpu:"
"""Before the name of a cordoned GPU, in the subject of its row."""


class SqlMaintenance:
    """`airflow_dlaas.service.store.maintenance.MaintenanceStore` in *database*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> MaintenanceState:
        with self._database.read_transaction() as connection:
            rows = connection.execute(select(maintenance)).all()
        records = {row.subject: MaintenanceRecord(row.since, row.reason) for row in rows}
        cordons = {
            subject.removeprefix(CORDON_PREFIX): record
            for subject, record in records.items()
            if subject.startswith(CORDON_PREFIX)
        }
        return MaintenanceState(records.get(DRAIN), cordons)

    def drain(self, reason: str, now: datetime) -> None:
        self._put(DRAIN, reason, now)

    def end_drain(self) -> None:
        self._remove(DRAIN)

    def cordon(self, gpu: str, reason: str, now: datetime) -> None:
        self._put(CORDON_PREFIX + gpu, reason, now)

    def uncordon(self, gpu: str) -> bool:
        return self._remove(CORDON_PREFIX + gpu)

    def list_held_gpus(self) -> frozenset[str]:
        with self._database.read_transaction() as connection:
            return frozenset(list_held_slots(connection))

    def _put(self, subject: str, reason: str, now: datetime) -> None:
        with self._database.write_transaction() as connection:
            changed = connection.execute(
                update(maintenance).where(maintenance.c.subject == subject).values(reason=reason)
            )
            if not changed.rowcount:
                connection.execute(insert(maintenance).values(subject=subject, reason=reason, since=now))

    def _remove(self, subject: str) -> bool:
        with self._database.write_transaction() as connection:
            return bool(connection.execute(delete(maintenance).where(maintenance.c.subject == subject)).rowcount)


def is_start_forbidden(connection: Connection, gpus: Collection[str]) -> bool:
    """
    Whether the service is drained, or one of *gpus* is cordoned.

    In a write transaction, the answer holds until its end: a drain is committed before or after it.
    """
    subjects = [DRAIN, *(CORDON_PREFIX + gpu for gpu in gpus)]
    found = connection.execute(select(maintenance.c.subject).where(maintenance.c.subject.in_(subjects)).limit(1))
    return found.first() is not None
