"""Who lets us in: Swift's own v1 authentication, or Keystone v3. One token for all threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.errors import StoreError, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.faults import LATER, in_our_words


@dataclass(frozen=True)
class Grant:
    """A token, and the address it is good for."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Transport:
    """How to reach servers: times in seconds, and whom to trust."""

    verify: bool | str
    connect_timeout: float
    read_timeout: float


class Access:
    """Asks for a token when there is none, and once more when that one no longer works. Thread-safe."""

    def __init__(self, connection: StoreConnection, transport: Transport) -> None:
        self._connection = connection
        self._transport = transport
        self._lock = threading.Lock()
        self._grant: Grant | None = None

    def grant(self, *, instead_of: Grant | None = None) -> Grant:
        """
        The grant to use: a new one if there is none yet, or *instead_of* one the store has just refused.

        Many threads whose token ends at once cause one authentication, not one each.
        """
        known = self._grant
        if known is not None and known is not instead_of:
            return known
        with self._lock:
            if self._grant is None or self._grant is instead_of:
                self._grant = None
                ask = _ask_keystone if self._connection.keystone else _ask_v1
                self._grant = ask(self._connection, self._transport)
            return self._grant


def _ask_v1(connection: StoreConnection, transport: Transport) -> Grant:
    where = connection.auth_url
    with in_our_words(where):
        try:
            url, token = swiftclient.get_auth_1_0(
                where,
                connection.user,
                connection.password.get_secret_value(),
                cacert=transport.verify if isinstance(transport.verify, str) else None,
                insecure=transport.verify is False,
                timeout=(transport.connect_timeout, transport.read_timeout),
            )
        except ClientException as error:
            if error.http_status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise _wrong_login(connection) from error
            if error.http_status in LATER or (error.http_status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise _wrong_door(connection, "such an address usually ends in /auth/v1.0") from error
    if not url or not token:
        raise _wrong_door(connection, "such an address usually ends in /auth/v1.0")
    return Grant(url, token)


def _ask_keystone(connection: StoreConnection, transport: Transport) -> Grant:
    from keystoneauth1 import exceptions
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session

    where = connection.auth_url.rstrip("/")
    user: dict[str, Any] = {"user_id": connection.user_id}
    if not connection.user_id:
        user = {"username": connection.user_name, "user_domain_name": connection.domain_name}
    password = v3.Password(
        auth_url=where if where.endswith("/v3") else f"{where}/v3",
        password=connection.password.get_secret_value(),
        project_id=connection.project_id,  # an id needs no domain
        **user,
    )
    # It takes one number for both times.
    session = Session(auth=password, verify=transport.verify, timeout=transport.read_timeout)
    try:
        token = session.get_token()
        url = session.get_endpoint(service_type="object-store", interface="public", region_name=connection.region)
    except (exceptions.Unauthorized, exceptions.Forbidden) as error:
        raise _wrong_login(connection) from error
    except exceptions.SSLError as error:
        raise StoreError(
            f"The certificate of {where} is not trusted: name the file of the authority that signed it (verify)"
        ) from error
    except exceptions.HttpError as error:
        if error.http_status in LATER or error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreUnreachable(f"Keystone at {where} cannot answer now ({error.http_status})") from error
        raise _wrong_door(connection, "such an address usually ends in /v3") from error
    except exceptions.ConnectionError as error:
        raise StoreUnreachable(f"Keystone at {where} cannot be reached") from error
    except exceptions.CatalogException as error:
        raise _no_store_there(connection) from error
    except exceptions.ClientException as error:
        raise _wrong_door(connection, "such an address usually ends in /v3") from error
    finally:
        session.session.close()
    if not url or not token:
        raise _no_store_there(connection)
    return Grant(str(url), str(token))


def _wrong_login(connection: StoreConnection) -> StoreRefused:
    fields = "userId, password, project_id and domain_name" if connection.keystone else "userId and password"
    return StoreRefused(
        f"The object store at {connection.auth_url} does not know user {connection.user!r} with this password: "
        f"check {fields}"
    )


def _no_store_there(connection: StoreConnection) -> StoreRefused:
    return StoreRefused(
        f"Keystone at {connection.auth_url} knows no object store for project {connection.project_id!r} in region "
        f"{connection.region!r}: check region and project_id"
    )


def _wrong_door(connection: StoreConnection, hint: str) -> StoreError:
    version = "Keystone v3" if connection.keystone else "Swift v1"
    return StoreError(f"{connection.auth_url} does not answer as {version} does: check auth_url ({hint})")
