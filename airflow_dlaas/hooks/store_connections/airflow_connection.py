"""An object store as an Airflow connection describes it. No I/O until its credentials are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connections import require_conn_type

if TYPE_CHECKING:
    from airflow_dlaas.contract.stores import StoreType
    from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials, StoreFields

SCHEMES: Mapping[str, str] = {"swift": "swift", "aws": "s3", "google_cloud_platform": "gs"}
"""The schemes of URIs in a store, by the type of its connection."""

DEFAULT_CONN_IDS: Mapping[str, str] = {"swift": "swift_default", "s3": "aws_default", "gs": "google_cloud_default"}
"""The connections of URIs that name none, by scheme: those of Airflow's own providers."""

STORE_CONN_TYPES = tuple(SCHEMES)
"""The types of connections to object stores."""


@dataclass(frozen=True)
class ObjectStoreConnection:
    """
    Address and credentials of an object store. Equal ones can share a client.

    The credentials are found at each call of `find_credentials`, not before: they may be temporary.
    """

    conn_id: str
    conn_type: str
    store_type: StoreType
    """The type of this store in a training definition."""
    fields: StoreFields
    verify: bool | str = True
    """Whether to verify TLS certificates, or the file with the certificates of trusted authorities."""

    @property
    def scheme(self) -> str:
        """The scheme of URIs in this store: ``swift``, ``s3`` or ``gs``."""
        return SCHEMES[self.conn_type]

    def find_credentials(self) -> FoundCredentials:
        """
        Find the credentials that are valid now. It may block.

        :raises NotConfigured: there are none, or a field of the connection is wrong; the message names both.
        :raises StoreError: the service that issues them refuses, or does not respond.
        """
        return self.fields.find_credentials()

    def uri(self, container: str, name: str) -> str:
        """Return the URI of an object or a folder, with the connection, as `ObjectStoragePath` takes it."""
        return f"{self.scheme}://{self.conn_id}@{container}/{name}"


def read_store_connection(
    connection: AirflowConnection, conn_types: tuple[str, ...] = STORE_CONN_TYPES
) -> ObjectStoreConnection:
    """
    Read a connection to an object store; its type decides which fields it has: see the function for each type.

    :param conn_types: the types that are accepted.
    :raises NotConfigured: a field is missing or wrong (the message names connection and field), or the connection has
        another type.
    """
    require_conn_type(connection, *conn_types)
    return _READERS[str(connection.conn_type)](connection)


def _read_swift(connection: AirflowConnection) -> ObjectStoreConnection:
    from airflow_dlaas.hooks.store_connections.swift import read_swift_connection

    return read_swift_connection(connection)


def _read_aws(connection: AirflowConnection) -> ObjectStoreConnection:
    from airflow_dlaas.hooks.store_connections.aws import read_aws_connection

    return read_aws_connection(connection)


def _read_google(connection: AirflowConnection) -> ObjectStoreConnection:
    from airflow_dlaas.hooks.store_connections.google import read_google_connection

    return read_google_connection(connection)


_READERS: Mapping[str, Callable[[AirflowConnection], ObjectStoreConnection]] = {
    "swift": _read_swift,
    "aws": _read_aws,
    "google_cloud_platform": _read_google,
}
