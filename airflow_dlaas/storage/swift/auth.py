"""
Who lets us in: Swift's own v1 authentication, or Keystone v3. One token for all threads.

Whatever carries a password or a token follows no redirect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import requests
from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.errors import LATER, REDIRECTS, SETTING, in_our_words

Line = tuple[Any, Any]
"""swiftclient's pair of the parsed address and the connection, kept alive between requests."""


@dataclass(frozen=True)
class Grant:
    """A token, and the address it is good for."""

    url: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class Transport:
    """How to reach servers: timeouts in seconds, trusted certificates, and which servers may be called."""

    verify: bool | str
    connect_timeout: float
    read_timeout: float
    require_allowed: Callable[[str], None] | None = None
    """Raises `StoreNotAllowed` for a storage URL (the one that a login answers with) that must not be called."""


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
                grant = ask(self._connection, self._transport)
                if self._transport.require_allowed is not None:
                    self._transport.require_allowed(grant.url)
                self._grant = grant
            return self._grant


def connect(url: str, transport: Transport) -> Line:
    """Make swiftclient's connection to *url*, which follows no redirect."""
    line: Line = swiftclient.http_connection(
        url,
        cacert=transport.verify if isinstance(transport.verify, str) else None,
        insecure=transport.verify is False,
        timeout=(transport.connect_timeout, transport.read_timeout),
    )
    line[1].requests_args["allow_redirects"] = False
    return line


def _ask_v1(connection: StoreConnection, transport: Transport) -> Grant:
    where = connection.auth_url
    with in_our_words(where):
        try:
            url, token = _log_in_v1(connection, transport)
        except ClientException as error:
            if error.http_status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise _wrong_login(connection) from error
            if error.http_status in REDIRECTS or error.http_status in LATER or (error.http_status or 0) >= 500:
                raise
            raise _wrong_door(connection, "such an address usually ends in /auth/v1.0") from error
    if not url or not token:
        raise _wrong_door(connection, "such an address usually ends in /auth/v1.0")
    return Grant(url, token)


def _log_in_v1(connection: StoreConnection, transport: Transport) -> tuple[str | None, str | None]:
    """Return storage URL and token. swiftclient's own ``get_auth_1_0`` would take the key along on a redirect."""
    where, line = connect(connection.auth_url, transport)
    try:
        headers = {"X-Auth-User": connection.user, "X-Auth-Key": connection.password.get_secret_value()}
        line.request("GET", where.path, "", headers)
        response = line.getresponse()
        body = response.read()
    finally:
        line.close()
    url = response.getheader("x-storage-url")
    # A page in place of an answer comes with 200, and without a storage URL.
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES or (body and not url):
        raise ClientException.from_response(response, "Auth GET failed", body)
    return url, response.getheader("x-storage-token", response.getheader("x-auth-token"))


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
    session = Session(auth=password, verify=transport.verify, timeout=transport.read_timeout, redirect=False)
    session.session.hooks["response"].append(partial(_refuse_redirect, where))
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


def _refuse_redirect(where: str, response: requests.Response, **_: Any) -> None:
    if response.status_code in REDIRECTS:
        location = response.headers.get("Location")
        response.close()  # its body is not read yet, and the session would never get the connection back
        raise StoreRedirected(describe_redirect(where, response.url, response.status_code, location, SETTING))


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
