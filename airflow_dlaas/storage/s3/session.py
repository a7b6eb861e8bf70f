"""
A session with one account of an S3 store: addresses, signatures, retries, and the translation of errors.

Regions: a server that has a bucket in another region than the request was signed for names the region in its response.
The request is then repeated once, and the region is used for that bucket from then on.
"""

from __future__ import annotations

import http.client
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TypeVar

from airflow_dlaas._util.retry import RetryPolicy, RetryState, log_retry
from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.contract.store_connections import S3StoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRedirected
from airflow_dlaas.storage.body import Body, BytesBody
from airflow_dlaas.storage.http.errors import REDIRECT_STATUSES, HttpResponseError, retry_after
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.http.pool import MAX_RESPONSE_BODY, HttpPool, HttpRequest
from airflow_dlaas.storage.object_store import BytesCallback
from airflow_dlaas.storage.s3.addressing import (
    Address,
    address_of,
    endpoint_in_region,
    endpoint_region,
    is_region,
    normalize_endpoint,
)
from airflow_dlaas.storage.s3.errors import ConnectionKeys, error_in_success, translate_errors
from airflow_dlaas.storage.s3.requests import S3Request
from airflow_dlaas.storage.s3.responses import parse_error
from airflow_dlaas.storage.s3.signing import Signer, make_signer

T = TypeVar("T")

_log = logging.getLogger(__name__)

Headers = dict[str, str]
"""Headers of a response, their names in lower case."""

_WRONG_REGION_STATUSES = {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.BAD_REQUEST}


class S3Session:
    """The connections to one store, with one access key or with none. Thread-safe."""

    def __init__(
        self,
        connection: S3StoreConnection,
        http_options: HttpOptions,
        retry_policy: RetryPolicy,
        renew: Callable[[], S3StoreConnection] | None = None,
    ) -> None:
        self.keys = ConnectionKeys.of(connection)
        """What errors name."""
        self.endpoint_url = normalize_endpoint(connection.url)
        """The URL of the store."""
        self.region = connection.region or endpoint_region(self.endpoint_url)
        """The region of buckets whose region is not known otherwise."""
        self._pool = HttpPool(http_options)
        self._require_allowed = http_options.require_allowed
        self._retry_policy = retry_policy
        self._addressing = connection.addressing or "auto"
        self._renew = renew
        self._signer = (connection, make_signer(connection))
        self._regions: dict[str, str] = {}
        self._allowed: set[str] = set()

    def close(self) -> None:
        """Close idle connections. The session can be used afterwards; it then makes new ones."""
        self._pool.close()

    def run(
        self,
        attempt: Callable[[], T],
        container: str | None = None,
        name: str | None = None,
        *,
        what: str,
        retry_policy: RetryPolicy | None = None,
    ) -> T:
        """
        Call *attempt* until it succeeds, as long as the retry policy permits.

        The first retry is logged as a WARNING, later ones at DEBUG, so that an outage gives one WARNING per operation.

        :param container: the container, and *name* the object, that errors name and that a status of 404 is about.
        :param what: the operation and its object, as the log has it: "Listing container a".
        :param retry_policy: None means the policy of the session.
        :raises StoreError: what *attempt* raises last; errors of HTTP are translated.
        """
        state = RetryState(retry_policy or self._retry_policy)
        while True:
            try:
                with translate_errors(self.keys, container, name):
                    return attempt()
            except StoreError as error:
                pause = state.next_pause(time.monotonic(), retry_after=retry_after(error)) if error.transient else None
                if pause is None:
                    raise
                log_retry(state, what, error, pause, _log, logging.DEBUG)
            time.sleep(pause)

    def send(
        self, request: S3Request, body: Body | None = None, on_progress: BytesCallback | None = None
    ) -> tuple[Headers, bytes]:
        """
        Send *request* with *body* or its own document; return the headers and the body of the response.

        :raises HttpResponseError: the response has a status of 300 or more.
        :raises http.client.IncompleteRead: the connection broke before the end of the response.
        :raises StoreRedirected: the store redirects, for another reason than the region of the bucket.
        """
        content = BytesBody(request.body) if body is None and request.body is not None else body
        headers, response_body = self._in_region(request, lambda signed: self._pool.send(signed, content, on_progress))
        lowered = {key.lower(): value for key, value in headers.items()}
        length = int(lowered.get("content-length", 0)) if request.method != "HEAD" else 0
        if len(response_body) < min(length, MAX_RESPONSE_BODY):
            raise http.client.IncompleteRead(response_body, length - len(response_body))
        return lowered, response_body

    def send_checked(self, request: S3Request) -> bytes:
        """
        Send *request*, whose response may have an error although its status is 200; return the body.

        :raises HttpResponseError: as in `send`, or for such an error.
        """
        headers, body = self.send(request)
        message = http.client.HTTPMessage()
        for key, value in headers.items():
            message[key] = value
        error = error_in_success(request.method, self.endpoint_url, message, body)
        if error is not None:
            raise error
        return body

    def fetch(self, request: S3Request) -> bytes:
        """GET a document of any length."""
        with self.open(request) as response:
            return response.read()

    @contextmanager
    def open(self, request: S3Request) -> Iterator[http.client.HTTPResponse]:
        """
        Send a GET; yield the response before its body is read; see `HttpPool.open`.

        :raises HttpResponseError: the response has a status of 300 or more.
        """
        with ExitStack() as stack:
            yield self._in_region(request, lambda signed: stack.enter_context(self._pool.open(signed)))

    def _in_region(self, request: S3Request, send: Callable[[HttpRequest], T]) -> T:
        """Send *request* signed for the region of its bucket, once more if the response names another region."""
        try:
            return send(self._signed(request))
        except HttpResponseError as error:
            if not self._learn_region(request.bucket, error):
                self._raise_redirect(request, error)
                raise
        try:
            return send(self._signed(request))
        except HttpResponseError as error:
            self._raise_redirect(request, error)
            raise

    def _signed(self, request: S3Request) -> HttpRequest:
        region = self._regions.get(request.bucket, self.region)
        address = self._address(request, region)
        target = address.path + request.sent_query
        signer = self._current_signer()
        if signer is None:
            return HttpRequest(request.method, address.base_url, target, request.headers)
        headers = signer.sign(
            request.method,
            address.host,
            address.signed_path,
            request.signed_query,
            {**request.headers, "x-amz-content-sha256": request.payload_hash},
            region=region,
            now=datetime.now(timezone.utc),
        )
        return HttpRequest(request.method, address.base_url, target, headers)

    def _current_signer(self) -> Signer | None:
        """Return the signer with keys that are valid now; None for anonymous requests."""
        known, signer = self._signer
        if self._renew is not None and (connection := self._renew()) is not known:
            signer = make_signer(connection)
            self._signer = (connection, signer)
        return signer

    def _address(self, request: S3Request, region: str) -> Address:
        endpoint_url = endpoint_in_region(self.endpoint_url, region)
        address = address_of(endpoint_url, self._addressing, request.bucket, request.name)
        if self._require_allowed is not None and address.server_url not in self._allowed:
            self._require_allowed(address.server_url)
            self._allowed.add(address.server_url)
        return address

    def _learn_region(self, bucket: str, error: HttpResponseError) -> bool:
        """Use the region that a response names from now on; return whether it is another one."""
        if error.status not in _WRONG_REGION_STATUSES or not bucket:
            return False
        region = error.http_response_headers.get("x-amz-bucket-region") or parse_error(error.body).region
        if not is_region(region) or region == self._regions.get(bucket, self.region):
            return False
        self._regions[bucket] = region
        return True

    def _raise_redirect(self, request: S3Request, error: HttpResponseError) -> None:
        if error.status not in REDIRECT_STATUSES:
            return
        address = self._address(request, self._regions.get(request.bucket, self.region))
        endpoint = parse_error(error.body).endpoint
        location = error.http_response_headers.get("Location") or (f"//{endpoint}" if endpoint else None)
        raise StoreRedirected(
            describe_redirect(
                self.keys.url,
                address.base_url + address.path,
                error.status,
                location,
                f"the connection's URL ({self.keys.url_key})",
            )
        ) from error
