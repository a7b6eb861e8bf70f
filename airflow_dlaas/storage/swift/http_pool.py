"""
Sends and receives the content of objects, over connections that stay open. No other module does.

No redirect is followed: each request carries a token, which is valid for one storage URL.

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
from http import HTTPStatus
from urllib.parse import urlsplit

from swiftclient.exceptions import ClientException

from airflow_dlaas.storage.body import Body, SendfileBody
from airflow_dlaas.storage.object_store import BytesCallback
from airflow_dlaas.storage.swift.auth import AuthToken
from airflow_dlaas.storage.swift.connection_route import ConnectionRoute, route_to
from airflow_dlaas.storage.swift.http_options import HttpOptions

MAX_RESPONSE_BODY = 1024**2
"""Bytes that are kept of a response's body: it may name each of a thousand segments that are gone."""

IdleConnections = deque[http.client.HTTPConnection]
"""Open connections without a request. A deque is thread-safe without a lock, for which threads would wait."""


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

    def put(
        self, token: AuthToken, path: str, headers: Mapping[str, str], body: Body, on_progress: BytesCallback | None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        PUT *body*; return the headers and the body of the response.

        :param path: quoted, below the storage URL of *token*.
        :param on_progress: called with each number of bytes sent; after an error, once more with the negative sum.
        :raises ClientException: the response has a status of 300 or more.
        """
        route, idle = self._route_to(token.storage_url)
        connection = _pop_alive(idle) or route.connect(self._http_options)
        sent = 0
        try:
            _send_head(connection, "PUT", route, path, token, {**headers, "Content-Length": str(body.size)})
            try:
                for count in _send_body(connection, body):
                    sent += count
                    if on_progress is not None:
                        on_progress(count)
            except (BrokenPipeError, ConnectionResetError) as error:
                # The store may have sent a response before it closed the connection: the response has the cause.
                with suppress(http.client.HTTPException, OSError):
                    _require_success(connection.getresponse(), "PUT", token.storage_url)
                raise error from None
            response = connection.getresponse()
            _require_success(response, "PUT", token.storage_url)
            content = _drain_body(response)
        except BaseException:
            connection.close()
            if on_progress is not None:
                on_progress(-sent)
            raise
        _keep_open(connection, idle)
        return response.headers, content

    @contextmanager
    def get(self, token: AuthToken, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """
        GET *path* (see `put`); yield the response before its body is read.

        If the connection breaks, the body ends early without an error: compare the number of bytes.

        :raises ClientException: the response has a status of 300 or more.
        """
        route, idle = self._route_to(token.storage_url)
        connection = _pop_alive(idle) or route.connect(self._http_options)
        try:
            _send_head(connection, "GET", route, path, token, headers)
            response = connection.getresponse()
            _require_success(response, "GET", token.storage_url)
            yield response
        except BaseException:
            connection.close()
            raise
        if not response.isclosed():
            connection.close()  # the rest of the body would be taken for the next response
        _keep_open(connection, idle)

    def _route_to(self, storage_url: str) -> tuple[ConnectionRoute, IdleConnections]:
        found = self._routes.get(storage_url)
        if found is None:
            with self._lock:
                found = self._routes.setdefault(
                    storage_url, (route_to(storage_url, self._http_options.verify), deque())
                )
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
    connection: http.client.HTTPConnection,
    method: str,
    route: ConnectionRoute,
    path: str,
    token: AuthToken,
    headers: Mapping[str, str],
) -> None:
    connection.putrequest(method, route.path_prefix + path, skip_accept_encoding=True)
    for name, value in (*route.proxy_headers.items(), ("X-Auth-Token", token.value), *headers.items()):
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


def _require_success(response: http.client.HTTPResponse, method: str, storage_url: str) -> None:
    """Raise swiftclient's error for a status of 300 or more, so that one function translates both libraries' errors."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    parsed_url = urlsplit(storage_url)
    raise ClientException(
        f"{method} failed",
        http_scheme=parsed_url.scheme,
        http_host=parsed_url.hostname,
        http_port=parsed_url.port,
        http_path=parsed_url.path,
        http_status=response.status,
        http_reason=response.reason,
        http_response_headers=response.headers,
        http_response_content=response.read(MAX_RESPONSE_BODY),
    )


def _drain_body(response: http.client.HTTPResponse) -> bytes:
    """Read a body to its end, so that the connection can be used again; return its beginning."""
    body = response.read(MAX_RESPONSE_BODY)
    while response.read(MAX_RESPONSE_BODY):
        pass
    return body
