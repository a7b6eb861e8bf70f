"""The URIs of assets in an object store (AIP-60). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection


def is_asset_of(uri: str, connection: ObjectStoreConnection, container: str) -> bool:
    """
    Return whether the asset *uri* is in *container* of the store.

    In ``swift://connection@container/prefix`` the connection belongs to the name, and may be left out for the one that
    a task uses. ``s3://bucket/prefix`` and ``gs://bucket/prefix`` name a bucket for all connections; in a URI with a
    connection, that has to be the same.
    """
    parts = urlsplit(uri)
    conn_id, _, name = parts.netloc.rpartition("@")
    return (parts.scheme, unquote(conn_id) or connection.conn_id, unquote(name)) == (
        connection.scheme,
        connection.conn_id,
        container,
    )
