"""Reading rows so that one that cannot be read fails no query about others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json
from sqlalchemy import Column, ColumnElement, Connection, Select, Text, cast, select

from airflow_dlaas.service.store.rows import DAMAGE
from airflow_dlaas.service.store.tables import HOLDS_SLOTS, leases, trainings
from airflow_dlaas.service.store.unreadable_rows import EPOCH

T = TypeVar("T")


def each(
    connection: Connection,
    query: Select[Any],
    key: Column[Any],
    read: Callable[[Mapping[str, Any]], T],
    salvage: Callable[[Callable[[ColumnElement[Any]], Any]], T],
) -> list[T]:
    """
    Read what *query* finds, in one go; where a value fails that, row by row, and the damaged ones column by column.

    :param key: a column whose value names one row of the query.
    :param read: makes a record of a row; raises one of `DAMAGE` for what is none.
    :param salvage: makes a record of a damaged row; it is given what reads one column of it.
    """
    try:
        return [read(dict(row)) for row in connection.execute(query).mappings().all()]
    except DAMAGE:
        pass
    found = connection.execute(query.with_only_columns(key)).scalars().all()
    records = (_one(connection, query.where(key == value), read, salvage) for value in found)
    return [record for record in records if record is not None]


def slots_held(connection: Connection) -> list[str]:
    """Name the GPU slots that are held (`HOLDS_SLOTS`); a booking that cannot be read holds none."""
    held = connection.execute(select(cast(trainings.c.gpus, Text)).where(HOLDS_SLOTS)).scalars()
    return [slot for text in held for slot in _names(text)]


class Lease(NamedTuple):
    """Who has a role, and until when."""

    holder: str
    until: Any


def lease_on(connection: Connection, role: str) -> Lease | None:
    """Read the lease on *role*; one that cannot be read has lapsed."""
    query = select(leases.c.holder, leases.c.until).where(leases.c.role == role)
    try:
        row = connection.execute(query).one_or_none()
    except DAMAGE:
        return Lease("", EPOCH)
    return None if row is None else Lease(row.holder, row.until)


def _one(
    connection: Connection,
    query: Select[Any],
    read: Callable[[Mapping[str, Any]], T],
    salvage: Callable[[Callable[[ColumnElement[Any]], Any]], T],
) -> T | None:
    """Read one row; None where it was deleted since its key was read, or the query does not hold for it any more."""
    try:
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read(dict(row))
    except DAMAGE:
        return salvage(lambda column: connection.execute(query.with_only_columns(column)).scalar())


def _names(text: Any) -> Iterator[str]:
    try:
        names = from_json(text)
    except DAMAGE:
        return
    if isinstance(names, list):
        yield from (name for name in names if isinstance(name, str))
