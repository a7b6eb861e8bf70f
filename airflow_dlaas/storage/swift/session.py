"""
How a Swift is asked: with a token, over a connection of one's own, patiently.

This is what swiftclient's ``Connection`` would do if it could be shared by threads, honoured Retry-After, repeated a
body of bytes and renewed the Keystone token of a user known by id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin

from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.patience import RetryPolicy
from airflow_dlaas.storage.swift.auth import Authenticator, AuthToken
from airflow_dlaas.storage.swift.errors import retry_after, translate_errors
from airflow_dlaas.storage.swift.http_options import HttpOptions
from airflow_dlaas.storage.swift.swiftclient_pool import SwiftclientPool

T = TypeVar("T")


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
        """Repeat what failed for a while only, as long as patience lasts."""
        delays = self._retry_policy.delays()
        while True:
            try:
                return attempt()
            except StoreError as error:  # noqa: PERF203  (that is what the loop is for)
                delay = next(delays, None) if error.transient else None
                requested_delay = retry_after(error)
                if delay is None or requested_delay > self._retry_policy.max_delay:
                    raise
                time.sleep(max(delay, requested_delay))

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
