"""
Authentication: Swift's own v1, or Keystone v3. One token for all threads.

No request with a password or a token follows a redirect.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

import requests
from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.http.errors import REDIRECT_STATUSES
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.swift.errors import AUTH_URL_SETTING, RETRYABLE_STATUSES, translate_errors
from airflow_dlaas.storage.swift.swiftclient_pool import connect


@dataclass(frozen=True)
class AuthToken:
    """A token, and the storage URL that it is valid for."""

    storage_url: str
    value: str = field(repr=False)


class Authenticator:
    """Logs in when there is no token, and again when the store rejects the token. Thread-safe."""

    def __init__(self, connection: SwiftStoreConnection, http_options: HttpOptions) -> None:
        self._connection = connection
        self._http_options = http_options
        self._lock = threading.Lock()
        self._token: AuthToken | None = None

    def get_token(self, *, rejected: AuthToken | None = None) -> AuthToken:
        """
        Return the current token; log in if there is none, or if it is *rejected*, which the store has refused.

        Many threads whose token expires at the same time cause one login, not one each.

        :raises StoreError: the login failed.
        :raises StoreNotAllowed: the login returned a storage URL that must not be called.
        """
        current = self._token
        if current is not None and current is not rejected:
            return current
        with self._lock:
            if self._token is None or self._token is rejected:
                self._token = None
                authenticate = _authenticate_keystone if self._connection.is_keystone else _authenticate_v1
                token = authenticate(self._connection, self._http_options)
                if self._http_options.require_allowed is not None:
                    self._http_options.require_allowed(token.storage_url)
                self._token = token
            return self._token


def _authenticate_v1(connection: SwiftStoreConnection, http_options: HttpOptions) -> AuthToken:
    auth_url = connection.auth_url
    with translate_errors(auth_url):
        try:
            url, token = _request_v1_token(connection, http_options)
        except ClientException as error:
            if error.http_status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                raise _wrong_credentials_error(connection) from error
            if (
                error.http_status in REDIRECT_STATUSES
                or error.http_status in RETRYABLE_STATUSES
                or (error.http_status or 0) >= 500
            ):
                raise
            raise _wrong_auth_url_error(connection, "such a URL usually ends in /auth/v1.0") from error
    if not url or not token:
        raise _wrong_auth_url_error(connection, "such a URL usually ends in /auth/v1.0")
    return AuthToken(url, token)


def _request_v1_token(connection: SwiftStoreConnection, http_options: HttpOptions) -> tuple[str | None, str | None]:
    """Return storage URL and token. swiftclient's ``get_auth_1_0`` would send the key to the target of a redirect."""
    parsed_url, http_connection = connect(connection.auth_url, http_options)
    try:
        headers = {"X-Auth-User": connection.user, "X-Auth-Key": connection.password.get_secret_value()}
        http_connection.request("GET", parsed_url.path, "", headers)
        response = http_connection.getresponse()
        body = response.read()
    finally:
        http_connection.close()
    url = response.getheader("x-storage-url")
    # A web page instead of a login response has the status 200, and no storage URL.
    if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES or (body and not url):
        raise ClientException.from_response(response, "Auth GET failed", body)
    return url, response.getheader("x-storage-token", response.getheader("x-auth-token"))


def _authenticate_keystone(connection: SwiftStoreConnection, http_options: HttpOptions) -> AuthToken:
    from keystoneauth1 import exceptions
    from keystoneauth1.identity import v3
    from keystoneauth1.session import Session

    auth_url = connection.auth_url.rstrip("/")
    user: dict[str, Any] = {"user_id": connection.user_id}
    if not connection.user_id:
        user = {"username": connection.user_name, "user_domain_name": connection.domain_name}
    password = v3.Password(
        auth_url=auth_url if auth_url.endswith("/v3") else f"{auth_url}/v3",
        password=connection.password.get_secret_value(),
        project_id=connection.project_id,  # an id needs no domain
        **user,
    )
    # keystoneauth has one timeout for connecting and reading.
    session = Session(auth=password, verify=http_options.verify, timeout=http_options.read_timeout, redirect=False)
    session.session.hooks["response"].append(partial(_require_no_redirect, auth_url))
    try:
        token = session.get_token()
        url = session.get_endpoint(service_type="object-store", interface="public", region_name=connection.region)
    except (exceptions.Unauthorized, exceptions.Forbidden) as error:
        raise _wrong_credentials_error(connection) from error
    except exceptions.SSLError as error:
        raise StoreError(
            f"The certificate of {auth_url} is not trusted: set verify to the file of the authority that signed it"
        ) from error
    except exceptions.HttpError as error:
        if error.http_status in RETRYABLE_STATUSES or error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise StoreUnreachable(f"Keystone at {auth_url} permits no login now ({error.http_status})") from error
        raise _wrong_auth_url_error(connection, "such a URL usually ends in /v3") from error
    except exceptions.ConnectionError as error:
        raise StoreUnreachable(f"Keystone at {auth_url} cannot be reached") from error
    except exceptions.CatalogException as error:
        raise _no_endpoint_error(connection) from error
    except exceptions.ClientException as error:
        raise _wrong_auth_url_error(connection, "such a URL usually ends in /v3") from error
    finally:
        session.session.close()
    if not url or not token:
        raise _no_endpoint_error(connection)
    return AuthToken(str(url), str(token))


def _require_no_redirect(auth_url: str, response: requests.Response, **_: Any) -> None:
    if response.status_code in REDIRECT_STATUSES:
        location = response.headers.get("Location")
        response.close()  # without this the session would not get the connection back: the body is not read yet
        raise StoreRedirected(
            describe_redirect(auth_url, response.url, response.status_code, location, AUTH_URL_SETTING)
        )


def _wrong_credentials_error(connection: SwiftStoreConnection) -> StoreRefused:
    fields = "userId, password, project_id and domain_name" if connection.is_keystone else "userId and password"
    return StoreRefused(
        f"The object store at {connection.auth_url} rejects user {connection.user!r} with this password: check {fields}"
    )


def _no_endpoint_error(connection: SwiftStoreConnection) -> StoreRefused:
    return StoreRefused(
        f"Keystone at {connection.auth_url} has no object store for project {connection.project_id!r} in region "
        f"{connection.region!r}: check region and project_id"
    )


def _wrong_auth_url_error(connection: SwiftStoreConnection, hint: str) -> StoreError:
    version = "Keystone v3" if connection.is_keystone else "Swift v1"
    return StoreError(f"{connection.auth_url} does not respond as {version} does: check auth_url ({hint})")
