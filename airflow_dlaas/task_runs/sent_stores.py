"""The stores of a definition with the credentials that are sent, and for how long temporary ones are valid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_dlaas.task_runs.store_entries import SentStore

if TYPE_CHECKING:
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection


@dataclass(frozen=True, slots=True)
class SentStores:
    """The stores of a definition by the id of their connection."""

    by_conn_id: Mapping[str, SentStore]
    warnings: Sequence[str]
    """One for each connection with temporary credentials, for the log of the task."""


def find_sent_stores(connections: Mapping[str, ObjectStoreConnection]) -> SentStores:
    """
    Find the credentials of *connections*, by id, as valid now. It may block: a role or a machine's own needs a request.

    :raises NotConfigured: a connection has no credentials.
    :raises StoreError: the service that issues credentials refuses, or does not respond.
    """
    stores: dict[str, SentStore] = {}
    warnings: list[str] = []
    for conn_id, connection in sorted(connections.items()):
        found = connection.find_credentials()
        stores[conn_id] = SentStore(connection.store_type, found.connection, connection.conn_type)
        if (end := found.describe_end(datetime.now(timezone.utc))) is not None:
            warnings.append(
                f"The credentials of connection {conn_id!r} are temporary. The training has them as they are "
                f"now, valid {end}: after that it can neither read data nor store results. For a longer training, give "
                "the connection a key that does not end"
            )
    return SentStores(stores, tuple(warnings))
