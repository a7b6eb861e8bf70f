"""
Sends requests, and sends and receives the content of objects, over connections that stay open. No other module does.

No redirect is followed: each request carries a credential, which is valid for one URL.

The pool uses the standard library's ``http.client``, set up as requests would (proxies, certificates): a request by
urllib3 needs twice the processor time, one by requests three times, one by swiftclient's own commands ten times. That
matters when ten thousand small files are sent.
"""

from __future__ import annotations

import http.client
import select
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

from airflow_dlaas.storage.body import Body, BytesBody, SendfileBody
from airflow_dlaas.storage.http.connection_route import ConnectionRoute, route_to
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.object_store import BytesCallback

MAX_RESPONSE_BODY = 1024**2
"""Bytes that are kept of a response's body: it may name each of a thousand segments that are gone."""

IdleConnections = deque[http.client.HTTPConnection]
"""Open connections without a request. A deque is thread-safe without a lock, for which threads would wait."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request without its body."""

    method: str
    base_url: str
    """The URL of the store; connections are kept for each."""
    target: str
    """Path and query below *base_url*, quoted."""
    headers: Mapping[str, str] = field(repr=False)
    """They may have a credential."""


class HttpPool:
    """As many connections as threads send requests at the same time. Thread-safe."""

    def __init__(self, http_options: HttpOptions) -> None:
        self._http_options = http_options
        self._lock = threading.Lock()
        self._routes: dict[str, tuple[ConnectionRoute, IdleConnections]] = {}

    def close(self) -> None:
        """Close idle connections. The pool can be used afterwards; it then makes new ones."""
        with self._lock:
            routes, self._routes = self._routes, {}
        for _, idle in routes.values():
            while idle:
                idle.pop().close()

    def send(
        self, request: HttpRequest, body: Body | None = None, on_progress: BytesCallback | None = None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        Send *request* with *body*; return the headers and the body of the response.

        :param on_progress: called with each number of bytes sent; after an error, once more with the negative sum.
        :raises HttpResponseError: the response has a status of 300 or more.
        """
        body = BytesBody(b"") if body is None else body
        route, idle = self._route_to(request.base_url)
        connection = _pop_alive(idle) or route.connect(self._http_options)
        sent = 0
        try:
            has_body = body.size or request.method in {"PUT", "POST"}
            _send_head(connection, request, route, {"Content-Length": str(body.size)} if has_body else {})
            try:
                for count in _send_body(connection, body):
                    sent += count
                    if on_progress is not None:
                        on_progress(count)
            except (BrokenPipeError, ConnectionResetError) as error:
                # The store may have sent a response before it closed the connection: the response has the cause.
                with suppress(http.client.HTTPException, OSError):
                    _require_success(connection.getresponse(), request)
                raise error from None
            response = connection.getresponse()
            _require_success(response, request)
            content = _drain_body(response)
        except BaseException:
            connection.close()
            if on_progress is not None:
                on_progress(-sent)
            raise
        _keep_open(connection, idle)
        return response.headers, content

    @contextmanager
    def open(self, request: HttpRequest) -> Iterator[http.client.HTTPResponse]:
        """
        Send *request*, which has no body; yield the response before its body is read.

        If the connection breaks, the body ends early without an error: compare the number of bytes.

        :raises HttpResponseError: the response has a status of 300 or more.
        """
        route, idle = self._route_to(request.base_url)
        connection = _pop_alive(idle) or route.connect(self._http_options)
        try:
            _send_head(connection, request, route, {})
            response = connection.getresponse()
            _require_success(response, request)
            yield response
        except BaseException:
            connection.close()
            raise
        if not response.isclosed():
            connection.close()  # the rest of the body would be taken for the next response
        _keep_open(connection, idle)

    def _route_to(self, base_url: str) -> tuple[ConnectionRoute, IdleConnections]:
        found = self._routes.get(base_url)
        if found is None:
            with self._lock:
                found = self._routes.setdefault(base_url, (route_to(base_url, self._http_options.verify), deque()))
        return found


def _pop_alive(idle: IdleConnections) -> http.client.HTTPConnection | None:
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        if not poll.poll(0):
            return connection
        connection.close()  # it is readable without a request: the other side has closed it


def _keep_open(connection: http.client.HTTPConnection, idle: IdleConnections) -> None:
    """Make a connection available for the next request, unless it is closed (by "Connection: close", too)."""
    if connection.sock is not None:
        idle.append(connection)


def _send_head(
    connection: http.client.HTTPConnection, request: HttpRequest, route: ConnectionRoute, headers: Mapping[str, str]
) -> None:
    connection.putrequest(request.method, route.path_prefix + request.target, skip_accept_encoding=True)
    for name, value in (*route.proxy_headers.items(), *request.headers.items(), *headers.items()):
        connection.putheader(name, value)
    connection.endheaders()


def _send_body(connection: http.client.HTTPConnection, body: Body) -> Iterator[int]:
    """Send *body*, by the kernel where there is no TLS; yield how many bytes went each time."""
    if isinstance(body, SendfileBody) and not isinstance(connection, http.client.HTTPSConnection):
        yield from body.sendfile(connection.sock)
        return
    for chunk in body.chunks():
        connection.send(chunk)
        yield len(chunk)


def _require_success(response: http.client.HTTPResponse, request: HttpRequest) -> None:
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    body = response.read(MAX_RESPONSE_BODY)
    raise HttpResponseError(request.method, request.base_url, response.status, response.reason, response.headers, body)


def _drain_body(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end, so that the connection can be used again; return its beginning."""
    body = response.read(MAX_RESPONSE_BODY)
    while response.read(MAX_RESPONSE_BODY):
        pass
    return body
