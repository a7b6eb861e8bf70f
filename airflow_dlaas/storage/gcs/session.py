"""A session with Google Cloud Storage: its token and the renewal of it, retries, and the translation of errors."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy, RetryState, log_retry
from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.body import Body, BytesBody
from airflow_dlaas.storage.gcs.auth import Authenticator, AuthToken
from airflow_dlaas.storage.gcs.errors import translate_errors, translate_parse_errors
from airflow_dlaas.storage.http.errors import HttpResponseError, retry_after
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.http.pool import HttpPool, HttpRequest
from airflow_dlaas.storage.object_store import BytesCallback

T = TypeVar("T")

_log = logging.getLogger(__name__)


class GcsSession:
    """One token for all threads, and the connections to the store. Thread-safe."""

    def __init__(
        self,
        connection: GcsStoreConnection,
        http_options: HttpOptions,
        retry_policy: RetryPolicy,
        renew: Callable[[], GcsStoreConnection] | None = None,
    ) -> None:
        self.url = connection.url.rstrip("/")
        """The URL of the store, which errors name."""
        self._pool = HttpPool(http_options)
        self._require_allowed = http_options.require_allowed
        self._retry_policy = retry_policy
        self._authenticator = Authenticator(connection, http_options, renew)

    def close(self) -> None:
        """Close idle connections. The session can be used afterwards; it then makes new ones."""
        self._pool.close()

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

        :param container: the bucket, and *name* the object, that errors name and that a status of 404 is about.
        :param what: the operation and its object, as the log has it: "Listing bucket a".
        :param retry_policy: None means the policy of the session.
        :raises StoreError: what *attempt* raises last; errors of the HTTP libraries are translated.
        :raises StoreNotAllowed: the URL of the store must not be called.
        """
        if self._require_allowed is not None:
            self._require_allowed(self.url)
        state = RetryState(retry_policy or self._retry_policy)
        while True:
            try:
                token = self._authenticator.get_token()
                with translate_errors(self.url, container=container, name=name):
                    try:
                        return attempt(token)
                    except HttpResponseError as error:
                        if error.status != HTTPStatus.UNAUTHORIZED:
                            raise
                        renewed = self._authenticator.get_token(rejected=token)
                        if renewed is token:
                            raise
                    return attempt(renewed)
            except StoreError as error:
                pause = state.next_pause(time.monotonic(), retry_after=retry_after(error)) if error.transient else None
                if pause is None:
                    raise
                log_retry(state, what, error, pause, _log, logging.DEBUG)
            time.sleep(pause)

    def call(
        self, what: str, method: str, target: str, *names: str, content: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """
        Send a request about the bucket and the object in *names*, with retries; return the JSON of its response.

        :param what: as in `run`.
        :param content: what is sent as JSON.
        """
        return self.run(partial(self.send_json, method, target, content), *names, what=what)

    def call_once(self, method: str, target: str, *names: str) -> Mapping[str, Any]:
        """Send a request as `call` does, without a retry: for immediate answers."""
        return self.run(partial(self.send_json, method, target, None), *names, what=method, retry_policy=NO_RETRY)

    def send_json(
        self, method: str, target: str, content: Mapping[str, Any] | None, token: AuthToken
    ) -> Mapping[str, Any]:
        """Send one request; return the JSON of its response, empty if it has none. One attempt."""
        headers = {} if content is None else {"Content-Type": "application/json"}
        body = BytesBody(b"" if content is None else json.dumps(content).encode())
        _, answer = self.send(method, target, token, headers=headers, body=body)
        with translate_parse_errors(self.url):
            parsed: Mapping[str, Any] = json.loads(answer) if answer else {}
            return {**parsed}

    def send(
        self,
        method: str,
        target: str,
        token: AuthToken,
        *,
        headers: Mapping[str, str],
        body: Body,
        on_progress: BytesCallback | None = None,
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        Send one request; see `HttpPool.send`.

        :raises HttpResponseError: the response has a status of 300 or more.
        """
        request = HttpRequest(method, self.url, target, {**token.headers, **headers})
        return self._pool.send(request, body, on_progress)

    @contextmanager
    def open(self, target: str, token: AuthToken, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """
        GET *target*; see `HttpPool.open`.

        The header ``Accept-Encoding: gzip`` keeps the store from decompressing content that was stored compressed.

        :raises HttpResponseError: the response has a status of 300 or more.
        """
        request = HttpRequest("GET", self.url, target, {**token.headers, "Accept-Encoding": "gzip", **headers})
        with self._pool.open(request) as response:
            yield response
