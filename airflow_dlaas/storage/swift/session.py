"""
How a Swift is asked: with a token, over a connection of one's own, patiently.

This is what swiftclient's ``Connection`` would do if it could be shared by threads, honoured Retry-After, repeated a
body of bytes and renewed the Keystone token of a user known by id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin

from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas._util.retry import RetryPolicy, call_with_retry
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.swift.auth import Authenticator, AuthToken
from airflow_dlaas.storage.swift.errors import retry_after, translate_errors
from airflow_dlaas.storage.swift.http_options import HttpOptions
from airflow_dlaas.storage.swift.swiftclient_pool import SwiftclientPool

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SwiftSession:
    """As many connections as there are threads asking at the same time, and one token. Thread-safe."""

    def __init__(self, connection: StoreConnection, http_options: HttpOptions, retry_policy: RetryPolicy) -> None:
        self.auth_url = connection.auth_url
        """The address, as people know it."""
        self._retry_policy = retry_policy
        self._authenticator = Authenticator(connection, http_options)
        self.swiftclient_pool = SwiftclientPool(http_options)

    def close(self) -> None:
        """Close idle connections; others are made when somebody asks again."""
        self.swiftclient_pool.close()

    def with_retry(self, attempt: Callable[[], T]) -> T:
        """Call *attempt* until it succeeds, as long as the retry policy permits."""
        return call_with_retry(
            attempt,
            self._retry_policy,
            what=f"A request to {self.auth_url}",
            is_transient=lambda error: isinstance(error, StoreError) and error.transient,
            retry_after=retry_after,
            logger=_log,
            later_level=logging.DEBUG,
        )

    def call(self, function: Callable[..., T], *names: str, **options: Any) -> T:
        """
        Ask about the container and the object in *names* with *function*, one of swiftclient's functions.

        Once more with a new token where this one is not accepted.
        """

        def request(token: AuthToken) -> T:
            with self.swiftclient_pool.connection(token.storage_url) as connection:
                return function(token.storage_url, token.value, *names, http_conn=connection, **options)

        container, name = (*names, None, None)[:2]
        return self.with_token(request, container, name)

    def with_token(self, request: Callable[[AuthToken], T], container: str | None = None, name: str | None = None) -> T:
        """Do *request* on *container* and *name* with a token; once more with a new one where it is not accepted."""
        token = self._authenticator.get_token()
        with translate_errors(self.auth_url, container=container, name=name):
            try:
                return request(token)
            except ClientException as error:
                if error.http_status != HTTPStatus.UNAUTHORIZED:
                    raise
            return request(self._authenticator.get_token(rejected=token))

    def capabilities(self) -> Mapping[str, Any]:
        """What the store says of itself to everybody; empty where it keeps that to itself."""

        def request(token: AuthToken) -> Mapping[str, Any]:
            with self.swiftclient_pool.connection(urljoin(token.storage_url, "/info")) as connection:
                info: Mapping[str, Any] = swiftclient.get_capabilities(connection)
                return info

        try:
            return self.with_token(request)
        except StoreError as error:
            if error.transient:
                raise
            return {}
