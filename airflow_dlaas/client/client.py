"""The client of a service: executes the steps of `exchange`, and keeps the token."""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from typing import Any, TypeVar

from typing_extensions import Self

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas._util.retry import RetryPolicy, retry_message
from airflow_dlaas.client import calls
from airflow_dlaas.client.bearer_token import BearerToken
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.http_transport import HttpTransport
from airflow_dlaas.client.protocol import DEFAULT_RETRY, Delay, GetToken, SendRequest, StepResult, exchange
from airflow_dlaas.client.service_url import ServiceUrl
from airflow_dlaas.contract.instance import Extensions
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.exceptions import DlaasError, InvalidRequest, MethodNotAllowed, NotFound, ProtocolError

T = TypeVar("T")

_log = logging.getLogger(__name__)
_unidentified_warnings = LoggedOnce(_log)  # by the URL of the list, which may be requested every few seconds


class Client:
    """
    A service, used with one login.

    Thread-safe, and cheap to create: nothing is sent before the first call. All threads share one token and one pool of
    connections. Login and password are in no repr and in no error.

    :param url: the service's root, ``http://`` or ``https://``, without credentials.
    :param verify: whether to verify the service's certificate; a path names the trusted authorities.
    :param timeout: seconds to connect, and seconds without data after which a request fails.
    :raises NotConfigured: the URL, the credentials or *verify* cannot be used.
    """

    def __init__(
        self,
        url: str,
        login: str,
        password: str,
        *,
        verify: bool | str = True,
        timeout: tuple[float, float] = (10, 60),
    ) -> None:
        self._service_url = ServiceUrl.parse(url)
        self.url = str(self._service_url)
        self._transport = HttpTransport(self._service_url, login, password, verify=verify, timeout=timeout)
        self._lock = threading.Lock()
        self._token: BearerToken | None = None
        self._token_request_count = 0
        self._token_error: DlaasError | None = None
        self._extensions: Extensions | None = None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. The client can still be used; it opens new ones."""
        self._transport.close()

    def send(self, call: Call[T], *, retries: RetryPolicy = DEFAULT_RETRY) -> T:
        """
        Send *call*, with the login and the retries that it needs. Blocks, pauses included. Each retry is logged.

        :raises ServiceError: the service refused the request, did not respond, or its response is not of this protocol.
        :raises NotConfigured: the certificate is not trusted, or the URL cannot be used.
        :raises HostError: the file to send cannot be read, or the file to save to cannot be written.
        """
        steps = exchange(call, retries, random.random)
        answer: StepResult = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                result: T = done.value
                if isinstance(result, Listing) and result.unidentified_count:
                    self._warn_unidentified(call, result)
                return result
            match step:
                case SendRequest():
                    answer = self._transport.send(step.call, step.token)
                case GetToken():
                    answer = self._get_token(step.rejected.value if step.rejected else None, retries)
                case Delay():
                    what = f"{call.method} {self._url_without_query(call)}"
                    _log.warning("%s", retry_message(what, step.error, step.seconds, step.attempt, retries))
                    answer = None
                    time.sleep(step.seconds)

    def token(self, *, rejected: str | None = None) -> str:
        """Return a fresh token, other than *rejected*, which the service refused. May block."""
        return self._get_token(rejected, DEFAULT_RETRY).value

    @property
    def extensions(self) -> Extensions:
        """
        The extensions of the service; requested once. May block.

        All are off if the service has no instances, or describes them in another way.
        """
        if self._extensions is None:
            try:
                self._extensions = self.send(calls.get_instance()).entity.extensions
            except (NotFound, MethodNotAllowed, InvalidRequest, ProtocolError):
                self._extensions = Extensions()
        return self._extensions

    def path_from_url(self, url: str) -> str:
        """
        Return the path of *url*, a URL of this service, for a `Call`.

        :raises ProtocolError: *url* is on another host. Nothing may be sent there: it would receive the token.
        """
        return self._service_url.path_from_url(url)

    def websocket_url(self, path: str) -> str:
        """Return the URL of the WebSocket at *path*."""
        return self._service_url.websocket_url(path)

    def ssl_context(self) -> ssl.SSLContext | None:
        """Return the context for a WebSocket, with the authorities that `send` trusts; None without TLS."""
        return self._transport.ssl_context()

    def _url_without_query(self, call: Call[Any]) -> str:
        return self.url + call.path.partition("?")[0]

    def _warn_unidentified(self, call: Call[Any], listing: Listing[Any]) -> None:
        url = self._url_without_query(call)
        _unidentified_warnings.warning(
            url,
            "%d of %d entries of the list at %s cannot be read and have no id; they are left out, and this is not "
            "logged again",
            listing.unidentified_count,
            len(listing.entries),
            url,
        )

    def _get_token(self, rejected: str | None, retries: RetryPolicy) -> BearerToken:
        requests_before = self._token_request_count
        with self._lock:
            now = time.time()
            if self._token is not None and self._token.value != rejected and self._token.is_fresh(now):
                return self._token
            if requests_before != self._token_request_count and self._token_error is not None:
                raise self._token_error  # another thread's request failed while this one waited for the lock
            self._token = self._token_error = None
            try:
                response = self.send(calls.get_token(), retries=retries)
                self._token = BearerToken.parse(response.token.get_secret_value(), now)
            except DlaasError as error:
                self._token_error = error
                raise
            finally:
                self._token_request_count += 1
            return self._token
