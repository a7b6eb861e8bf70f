"""The fields of Airflow connections of the types `dlaas` and `swift`. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connection_url import connection_url

if TYPE_CHECKING:
    from airflow_dlaas.contract.stores import StoreType, SwiftStoreConnection


@dataclass(frozen=True)
class ServiceConnection:
    """Address and credentials of a training service."""

    url: str
    login: str
    password: str = field(repr=False)
    verify: bool | str = True
    """Whether to verify TLS certificates, or the file with the certificates of trusted authorities."""
    tensorboard_url: str | None = None
    """Address of the site's TensorBoard, with the placeholders ``{training_id}`` and ``{folder}``."""

    @classmethod
    def from_connection(cls, connection: AirflowConnection) -> ServiceConnection:
        """
        Read a connection of type `dlaas`:

        - **URL** (host): ``https://dlaas.example.org``, or its parts in host, port and schema; see
          `airflow_dlaas.hooks.connection_url`.
        - **User**, **Password**: the credentials. Both are required: a request without them would hide the mistake.
        - extra ``verify`` (default true) and ``ca_file``: the trusted TLS certificates.
        - extra ``tensorboard_url``: the address of the site's TensorBoard, with the placeholders ``{training_id}`` and
          ``{folder}``. Every user who can see the training sees this address.

        :raises NotConfigured: a field is missing or wrong (the message names connection and field), or the connection
            has another type.
        """
        require_conn_type(connection, "dlaas")
        url = connection_url(connection, default_scheme="http")
        if not connection.login or not connection.password:
            raise NotConfigured(
                f"Connection {connection.conn_id!r}: user and password are both required to log in to the service"
            )
        return cls(
            url, connection.login, connection.password, _read_verify(connection), _read_tensorboard_url(connection)
        )


@dataclass(frozen=True)
class SwiftConnection:
    """Address and credentials of an object store."""

    credentials: SwiftStoreConnection
    verify: bool | str = True

    @property
    def store_type(self) -> StoreType:
        """The type of this store in a training definition."""
        from airflow_dlaas.contract.stores import StoreType

        return StoreType.BLUEMIX if self.credentials.is_keystone else StoreType.SOFTLAYER

    @classmethod
    def from_connection(cls, connection: AirflowConnection) -> SwiftConnection:
        """
        Read a connection of type `swift`:

        - **Auth URL** (host): ``http://swift.example.org/auth/v1.0``, or Keystone's ``https://…/v3``; or its parts in
          host, port and schema, as for the service.
        - **User** (``ACCOUNT:user`` for Swift v1, the id of the user for Keystone), **Key** (password).
        - extra ``project_id``, ``region``, ``domain_name``: all three select Keystone v3, none selects Swift v1.
        - extra ``verify`` and ``ca_file``, as for the service.

        :raises NotConfigured: a field is missing or wrong (the message names connection and field), or the connection
            has another type.
        """
        from pydantic import SecretStr, ValidationError

        from airflow_dlaas.contract.stores import SwiftStoreConnection
        from airflow_dlaas.contract.validation_messages import validation_messages

        require_conn_type(connection, "swift")
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
            credentials = SwiftStoreConnection(
                auth_url=connection_url(
                    connection, default_scheme="https" if keystone_fields["project_id"] else "http"
                ),
                user_id=connection.login,
                password=SecretStr(connection.password),
                **keystone_fields,
            )
        except ValidationError as error:
            raise NotConfigured(f"Connection {connection.conn_id!r}: {'; '.join(validation_messages(error))}") from None
        return cls(credentials, _read_verify(connection))


def require_conn_type(connection: AirflowConnection, expected: str) -> None:
    """
    Require a connection of the type *expected*, before its password is sent anywhere.

    :raises NotConfigured: the connection has another type or none; the message names both types.
    """
    if connection.conn_type != expected:
        found = f"is of type {connection.conn_type!r}" if connection.conn_type else "has no type"
        raise NotConfigured(
            f"Connection {connection.conn_id!r} {found}, but must be of type {expected!r}. Name another connection, or "
            f'set its type (in JSON "conn_type": "{expected}", as a URI {expected}://USER:PASSWORD@HOST:PORT)'
        )


def _read_tensorboard_url(connection: AirflowConnection) -> str | None:
    url = connection.extra_dejson.get("tensorboard_url") or None
    if url is None:
        return None
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise NotConfigured(
            f"Connection {connection.conn_id!r}: tensorboard_url must be an http or https address without credentials"
        )
    return str(url)


def _read_verify(connection: AirflowConnection) -> bool | str:
    extra = connection.extra_dejson
    verify = extra.get("verify")
    if isinstance(verify, str):  # a connection URI gives every extra field as a text
        verify = {"true": True, "false": False}.get(verify.lower(), verify)
    if verify is not None and not isinstance(verify, bool):
        raise NotConfigured(f"Connection {connection.conn_id!r}: verify must be true or false")
    return extra.get("ca_file") or verify is not False
