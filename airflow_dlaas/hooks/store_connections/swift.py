"""The fields of Airflow connections of the type `swift`. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr, ValidationError

from airflow_dlaas.contract.store_connections import SwiftStoreConnection
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connection_url import connection_url
from airflow_dlaas.hooks.connections import read_verify
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials


@dataclass(frozen=True)
class SwiftFields:
    """The address of a Swift, and its credentials: they do not end."""

    connection: SwiftStoreConnection

    @property
    def user(self) -> str:
        """The user, in words."""
        return f"the user {self.connection.user}"

    def find_credentials(self) -> FoundCredentials:
        """Return the credentials of the connection."""
        return FoundCredentials(self.connection)


def read_swift_connection(connection: AirflowConnection) -> ObjectStoreConnection:
    """
    Read a connection of type `swift`:

    - **Auth URL** (host): ``http://swift.example.org/auth/v1.0``, or Keystone's ``https://…/v3``; or its parts in
      host, port and schema, as for the service.
    - **User** (``ACCOUNT:user`` for Swift v1, the id of the user for Keystone), **Key** (password).
    - extra ``project_id``, ``region``, ``domain_name``: all three select Keystone v3, none selects Swift v1.
    - extra ``verify`` and ``ca_file``, as for the service.

    :raises NotConfigured: a field is missing or wrong; the message names connection and field.
    """
    extra = connection.extra_dejson
    keystone_fields = {name: extra.get(name) or None for name in ("project_id", "region", "domain_name")}
    missing = [name for name, value in keystone_fields.items() if not value]
    if 0 < len(missing) < len(keystone_fields):
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: {' and '.join(missing)} missing; Keystone v3 needs project_id, "
            "region and domain_name, Swift v1 none of them"
        )
    if not connection.login or not connection.password:
        raise NotConfigured(f"Connection {connection.conn_id!r}: user and key are both required")
    try:
        found = SwiftStoreConnection(
            auth_url=connection_url(connection, default_scheme="https" if keystone_fields["project_id"] else "http"),
            user_id=connection.login,
            password=SecretStr(connection.password),
            **keystone_fields,
        )
    except ValidationError as error:
        raise NotConfigured(f"Connection {connection.conn_id!r}: {'; '.join(validation_messages(error))}") from None
    store_type = StoreType.BLUEMIX if found.is_keystone else StoreType.SOFTLAYER
    return ObjectStoreConnection(connection.conn_id, "swift", store_type, SwiftFields(found), read_verify(connection))
