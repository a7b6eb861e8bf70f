"""
A session with one account of a Swift: its token and the renewal of it, retries, and the translation of errors.

swiftclient's ``Connection`` would serve if threads could share it, and if it honored Retry-After, sent a body of bytes
again and renewed the Keystone token of a user that is known by id.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin

from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy, RetryState, log_retry
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.http.errors import retry_after
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.swift.auth import Authenticator, AuthToken
from airflow_dlaas.storage.swift.errors import translate_errors
from airflow_dlaas.storage.swift.http_pool import SwiftHttpPool
from airflow_dlaas.storage.swift.swiftclient_pool import SwiftclientPool

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SwiftSession:
    """One token for all threads, and the connections to the store. Thread-safe."""

    def __init__(self, connection: SwiftStoreConnection, http_options: HttpOptions, retry_policy: RetryPolicy) -> None:
        self.auth_url = connection.auth_url
        """The URL of the connection, which errors name."""
        self.http_pool = SwiftHttpPool(http_options)
        """Carries the content of objects."""
        self.swiftclient_pool = SwiftclientPool(http_options)
        """Carries everything else."""
        self._retry_policy = retry_policy
        self._authenticator = Authenticator(connection, http_options)

    def storage_url(self) -> str:
        """Return the storage URL of the account; log in if there is no token."""
        return self.run(lambda token: token.storage_url, what=f"Logging in at {self.auth_url}")

    def close(self) -> None:
        """Close idle connections. The session can be used afterwards; it then makes new ones."""
        self.http_pool.close()
        self.swiftclient_pool.close()

    def run(
        self,
        attempt: Callable[[AuthToken], T],
        container: str | None = None,
        name: str | None = None,
        *,
        what: str,
        retry_policy: RetryPolicy | None = None,
    ) -> T:
        """
        Call *attempt* with a token until it succeeds, as long as the retry policy permits.

        If the store rejects the token (401), the attempt is repeated once with a new token, without a pause. The first
        retry is logged as a WARNING, later ones at DEBUG, so that an outage gives one WARNING per operation.

        :param container: the container, and *name* the object, that errors name and that a status of 404 is about.
        :param what: the operation and its object, as the log has it: "Listing container a".
        :param retry_policy: None means the policy of the session.
        :raises StoreError: what *attempt* raises last; errors of the HTTP libraries are translated.
        """
        state = RetryState(retry_policy or self._retry_policy)
        while True:
            try:
                token = self._authenticator.get_token()
                with translate_errors(self.auth_url, container=container, name=name):
                    try:
                        return attempt(token)
                    except ClientException as error:
                        if error.http_status != HTTPStatus.UNAUTHORIZED:
                            raise
                    return attempt(self._authenticator.get_token(rejected=token))
            except StoreError as error:
                pause = state.next_pause(time.monotonic(), retry_after=retry_after(error)) if error.transient else None
                if pause is None:
                    raise
                log_retry(state, what, error, pause, _log, logging.DEBUG)
            time.sleep(pause)

    def call(self, what: str, function: Callable[..., T], *names: str, **options: Any) -> T:
        """
        Call *function* of swiftclient about the container and the object in *names*, with retries.

        :param what: as in `run`.
        :param options: further arguments of *function*.
        """
        return self.run(partial(self._call_swiftclient, function, names, options), *names, what=what)

    def call_once(self, function: Callable[..., T], *names: str, **options: Any) -> T:
        """Call *function* as `call` does, without a retry: for attempts of several requests, and immediate answers."""
        attempt = partial(self._call_swiftclient, function, names, options)
        return self.run(attempt, *names, what=function.__name__, retry_policy=NO_RETRY)

    def capabilities(self) -> Mapping[str, Any]:
        """Return the document that a store publishes about itself (``/info``); empty if it publishes none."""
        try:
            return self.run(self._get_capabilities, what=f"Reading the capabilities of {self.auth_url}")
        except StoreError as error:
            if error.transient:
                raise
            return {}

    def _get_capabilities(self, token: AuthToken) -> Mapping[str, Any]:
        with self.swiftclient_pool.connection(urljoin(token.storage_url, "/info")) as connection:
            info: Mapping[str, Any] = swiftclient.get_capabilities(connection)
            return info

    def _call_swiftclient(
        self, function: Callable[..., T], names: tuple[str, ...], options: Mapping[str, Any], token: AuthToken
    ) -> T:
        with self.swiftclient_pool.connection(token.storage_url) as connection:
            return function(token.storage_url, token.value, *names, http_conn=connection, **options)
