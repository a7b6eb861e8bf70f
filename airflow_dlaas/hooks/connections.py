"""The fields of Airflow connections of the type `dlaas`, and those that all connections have. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connection_url import connection_url


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
            url, connection.login, connection.password, read_verify(connection), _read_tensorboard_url(connection)
        )


def require_conn_type(connection: AirflowConnection, *expected: str) -> None:
    """
    Require a connection of one of the types *expected*, before its password is sent anywhere.

    :raises NotConfigured: the connection has another type or none; the message names all types.
    """
    if connection.conn_type not in expected:
        found = f"is of type {connection.conn_type!r}" if connection.conn_type else "has no type"
        raise NotConfigured(
            f"Connection {connection.conn_id!r} {found}, but must be of type {' or '.join(map(repr, expected))}. Name "
            f'another connection, or set its type (in JSON "conn_type": "{expected[0]}", as a URI '
            f"{expected[0]}://USER:PASSWORD@HOST:PORT)"
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


def read_verify(connection: AirflowConnection, *, allow_path: bool = False) -> bool | str:
    """
    Read the extra fields ``verify`` and ``ca_file``: whether to verify TLS certificates, or the file to trust.

    :param allow_path: ``verify`` may also be the path of that file, as in connections of the type `aws`.
    :raises NotConfigured: ``verify`` is neither.
    """
    extra = connection.extra_dejson
    verify = extra.get("verify")
    if isinstance(verify, str):  # a connection URI gives every extra field as a text
        verify = {"true": True, "false": False, "": None}.get(verify.lower(), verify)
    if allow_path and isinstance(verify, str):
        return extra.get("ca_file") or verify
    if verify is not None and not isinstance(verify, bool):
        raise NotConfigured(f"Connection {connection.conn_id!r}: verify must be true or false")
    return extra.get("ca_file") or verify is not False
