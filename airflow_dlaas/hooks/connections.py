"""What connections mean, field by field; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.connection_url import connection_url

if TYPE_CHECKING:
    from airflow_dlaas.contract.stores import StoreConnection, StoreType


class AirflowConnection(Protocol):
    """The part of Airflow's connection that is read here."""

    conn_id: str
    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    port: int | None
    schema: str | None

    @property
    def extra_dejson(self) -> dict[str, Any]:
        """The extra fields, parsed."""


@dataclass(frozen=True)
class ServiceConnection:
    """How to reach a deep-learning service."""

    url: str
    login: str
    password: str = field(repr=False)
    verify: bool | str = True
    """Whether to verify TLS certificates, or the file with the ones to trust."""
    tensorboard_url: str | None = None
    """The site's TensorBoard, with ``{training_id}`` and ``{folder}`` to be filled in."""

    @classmethod
    def from_connection(cls, connection: AirflowConnection) -> ServiceConnection:
        """
        Read a connection of type `dlaas`:

        - **URL** (host): ``https://dlaas.example.org``, or its parts in host, port and schema; see
          `airflow_dlaas.hooks.connection_url`.
        - **User**, **Password**: who we are. One without the other is refused, since calling as nobody would
          hide the mistake.
        - extra ``verify`` (default true) and ``ca_file``: which TLS certificates are trusted.
        - extra ``tensorboard_url``: where people find the site's TensorBoard, with ``{training_id}`` and ``{folder}``
          to be filled in. It is shown to whoever sees the training.

        :raises NotConfigured: naming the connection and the field; also for a connection of another type.
        """
        require_conn_type(connection, "dlaas")
        url = connection_url(connection, default_scheme="http")
        if not connection.login or not connection.password:
            raise NotConfigured(
                f"Connection {connection.conn_id!r}: user and password are both needed to ask the service for a token"
            )
        return cls(
            url, connection.login, connection.password, _read_verify(connection), _read_tensorboard_url(connection)
        )


@dataclass(frozen=True)
class SwiftConnection:
    """How to reach an object store."""

    credentials: StoreConnection
    verify: bool | str = True

    @property
    def store_type(self) -> StoreType:
        """What a training definition calls this kind of store."""
        from airflow_dlaas.contract.stores import StoreType

        return StoreType.BLUEMIX if self.credentials.is_keystone else StoreType.SOFTLAYER

    @classmethod
    def from_connection(cls, connection: AirflowConnection) -> SwiftConnection:
        """
        Read a connection of type `swift`:

        - **Auth URL** (host): ``http://swift.example.org/auth/v1.0``, or Keystone's ``https://…/v3``; or its parts, as
          for the service.
        - **User** (``ACCOUNT:user`` for Swift v1, the user's id for Keystone), **Key** (password).
        - extra ``project_id``, ``region``, ``domain_name``: all three mean Keystone v3, none means Swift v1.
        - extra ``verify`` and ``ca_file``, as for the service.

        :raises NotConfigured: naming the connection and the field; also for a connection of another type.
        """
        from pydantic import SecretStr, ValidationError

        from airflow_dlaas.contract.stores import StoreConnection
        from airflow_dlaas.contract.validation_messages import validation_messages

        require_conn_type(connection, "swift")
        extra = connection.extra_dejson
        keystone = {name: extra.get(name) or None for name in ("project_id", "region", "domain_name")}
        missing = [name for name, value in keystone.items() if not value]
        if 0 < len(missing) < len(keystone):
            raise NotConfigured(
                f"Connection {connection.conn_id!r}: {' and '.join(missing)} missing; Keystone v3 needs project_id, "
                "region and domain_name, Swift v1 none of them"
            )
        if not connection.login or not connection.password:
            raise NotConfigured(f"Connection {connection.conn_id!r}: user and key are both needed")
        try:
            store = StoreConnection(
                auth_url=connection_url(connection, default_scheme="https" if keystone["project_id"] else "http"),
                user_id=connection.login,
                password=SecretStr(connection.password),
                **keystone,
            )
        except ValidationError as error:
            raise NotConfigured(f"Connection {connection.conn_id!r}: {'; '.join(validation_messages(error))}") from None
        return cls(store, _read_verify(connection))


def require_conn_type(connection: AirflowConnection, expected: str) -> None:
    """
    Refuse a connection that was made for something else, before its password is sent anywhere.

    :raises NotConfigured: naming the connection, its type and the *expected* one.
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
            f"Connection {connection.conn_id!r}: tensorboard_url must be an http or https address without a user"
        )
    return str(url)


def _read_verify(connection: AirflowConnection) -> bool | str:
    extra = connection.extra_dejson
    verify = extra.get("verify")
    if isinstance(verify, str):  # the extra fields of a connection URI are texts
        verify = {"true": True, "false": False}.get(verify.lower(), verify)
    if verify is not None and not isinstance(verify, bool):
        raise NotConfigured(f"Connection {connection.conn_id!r}: verify must be true or false")
    return extra.get("ca_file") or verify is not False
