"""
Carries objects' bytes, over connections that are kept alive: the only place that sends and receives them.

It follows no redirect: each request carries a token, which is for one address.

On the standard library's ``http.client``, set up as requests would (proxies, certificates): a request through urllib3
costs twice the processor time, one through requests three times, one through swiftclient's own commands ten times,
which matters when ten thousand small files are sent.
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
from airflow_dlaas.storage.swift.connection_route import ConnectionRoute, route_to
from airflow_dlaas.storage.swift.http_options import HttpOptions

MAX_RESPONSE_BODY = 1024**2
"""Bytes of an answer's body that are read for what it says: it may name each of a thousand segments that are gone."""


class HttpPool:
    """Sends and receives over as many connections as are asked for at the same time. Thread-safe."""

    def __init__(self, http_options: HttpOptions) -> None:
        self._http_options = http_options
        self._lock = threading.Lock()
        # Of a deque any thread may take one: a lock for each request would have them wait for each other.
        self._routes: dict[str, tuple[ConnectionRoute, deque[http.client.HTTPConnection]]] = {}

    def close(self) -> None:
        """Close idle connections; others are made when somebody asks again."""
        with self._lock:
            routes, self._routes = self._routes, {}
        for _, idle in routes.values():
            while idle:
                idle.pop().close()

    def put(
        self, base_url: str, path: str, headers: Mapping[str, str], body: Body, on_progress: BytesCallback | None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        PUT *body*; headers and body of the answer.

        :param base_url: the address that the token is for; *path*, quoted, goes on from there.
        """
        sent = 0
        try:
            with self._start_request(
                base_url, "PUT", path, {**headers, "Content-Length": str(body.size)}
            ) as connection:
                try:
                    for count in _send_body(connection, body):
                        sent += count
                        if on_progress is not None:
                            on_progress(count)
                except (BrokenPipeError, ConnectionResetError) as error:
                    # It may have answered before it hung up, and why is what we want to know.
                    with suppress(http.client.HTTPException, OSError):
                        _require_success(connection.getresponse(), "PUT", base_url)
                    raise error from None
                response = connection.getresponse()
                _require_success(response, "PUT", base_url)
                return response.headers, _drain_body(response)
        except BaseException:
            if on_progress is not None:
                on_progress(-sent)
            raise

    @contextmanager
    def get(self, base_url: str, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """GET; the answer, its body still to be read. One that ends too early is only seen by its number of bytes."""
        with self._start_request(base_url, "GET", path, headers) as connection:
            response = connection.getresponse()
            _require_success(response, "GET", base_url)
            yield response
            if not response.isclosed():
                connection.close()  # what is left of it must not be taken for the next answer

    @contextmanager
    def _start_request(
        self, base_url: str, method: str, path: str, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPConnection]:
        """A connection with the head of a request sent; kept for the next one only after a clean end."""
        route_and_idle = self._routes.get(base_url)
        if route_and_idle is None:
            with self._lock:
                route_and_idle = self._routes.setdefault(
                    base_url, (route_to(base_url, self._http_options.verify), deque())
                )
        route, idle = route_and_idle
        connection = _pop_alive(idle) or route.connect(self._http_options)
        try:
            connection.putrequest(method, route.path_prefix + path, skip_accept_encoding=True)
            for name, value in (*route.proxy_headers.items(), *headers.items()):
                connection.putheader(name, value)
            connection.endheaders()
            yield connection
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # which it is after "Connection: close", too
            idle.append(connection)


def _pop_alive(idle: deque[http.client.HTTPConnection]) -> http.client.HTTPConnection | None:
    while True:
        try:
            connection = idle.pop()
        except IndexError:
            return None
        poll = select.poll()
        poll.register(connection.sock, select.POLLIN)
        if not poll.poll(0):
            return connection
        connection.close()  # readable, and nothing was asked: the other side has hung up


def _send_body(connection: http.client.HTTPConnection, body: Body) -> Iterator[int]:
    """Send *body*, on the shortest way there is; yields how many bytes went each time."""
    if isinstance(body, SendfileBody) and not isinstance(connection, http.client.HTTPSConnection):
        yield from body.sendfile(connection.sock)
        return
    for chunk in body.chunks():
        connection.send(chunk)
        yield len(chunk)


def _require_success(response: http.client.HTTPResponse, method: str, base_url: str) -> None:
    """Raise what swiftclient would for an answer that is no success, so that it is understood in one place."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    parsed_url = urlsplit(base_url)
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
    """The beginning of a body that is read to its end, so that the connection can be used again."""
    body = response.read(MAX_RESPONSE_BODY)
    while response.read(MAX_RESPONSE_BODY):
        pass
    return body
