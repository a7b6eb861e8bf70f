"""Reads rows so that an unreadable row does not affect other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic_core import from_json
from sqlalchemy import Column, ColumnElement, Connection, Select, Text, cast, select

from airflow_dlaas.service.store.rows import ROW_READ_ERRORS
from airflow_dlaas.service.store.tables import HOLDS_SLOTS, leases, trainings
from airflow_dlaas.service.store.unreadable_rows import UNIX_EPOCH

T = TypeVar("T")


def read_rows(
    connection: Connection,
    query: Select[Any],
    key_column: Column[Any],
    parse_row: Callable[[Mapping[str, Any]], T],
    parse_unreadable_row: Callable[[Callable[[ColumnElement[Any]], Any]], T],
) -> list[T]:
    """
    Read the rows of *query* at once; if that fails, read row by row, and damaged rows column by column.

    :param key_column: a column whose value identifies a row of the query.
    :param parse_row: converts a row to a record; raises one of `ROW_READ_ERRORS` for a damaged row.
    :param parse_unreadable_row: makes a record of a damaged row; receives a function that reads one of its columns.
    """
    try:
        return [parse_row(dict(row)) for row in connection.execute(query).mappings().all()]
    except ROW_READ_ERRORS:
        pass
    found = connection.execute(query.with_only_columns(key_column)).scalars().all()
    records = (
        _read_row(connection, query.where(key_column == value), parse_row, parse_unreadable_row) for value in found
    )
    return [record for record in records if record is not None]


def list_held_slots(connection: Connection) -> list[str]:
    """Return the GPU slots that trainings hold (`HOLDS_SLOTS`); an unreadable reservation holds none."""
    held = connection.execute(select(cast(trainings.c.gpus, Text)).where(HOLDS_SLOTS)).scalars()
    return [slot for text in held for slot in _parse_slot_names(text)]


class Lease(NamedTuple):
    """The holder of a role, and the expiry of its lease."""

    holder: str
    until: Any


def get_lease(connection: Connection, role: str) -> Lease | None:
    """Return the lease on *role*, or None; an unreadable lease counts as expired."""
    query = select(leases.c.holder, leases.c.until).where(leases.c.role == role)
    try:
        row = connection.execute(query).one_or_none()
    except ROW_READ_ERRORS:
        return Lease("", UNIX_EPOCH)
    return None if row is None else Lease(row.holder, row.until)


def _read_row(
    connection: Connection,
    query: Select[Any],
    parse_row: Callable[[Mapping[str, Any]], T],
    parse_unreadable_row: Callable[[Callable[[ColumnElement[Any]], Any]], T],
) -> T | None:
    """Read one row; None if it was deleted after its key was read, or if the query no longer selects it."""
    try:
        row = connection.execute(query).mappings().one_or_none()
        return None if row is None else parse_row(dict(row))
    except ROW_READ_ERRORS:
        return parse_unreadable_row(lambda column: connection.execute(query.with_only_columns(column)).scalar())


def _parse_slot_names(text: Any) -> Iterator[str]:
    try:
        names = from_json(text)
    except ROW_READ_ERRORS:
        return
    if isinstance(names, list):
        yield from (name for name in names if isinstance(name, str))
