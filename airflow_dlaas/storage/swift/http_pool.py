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

from airflow_dlaas.storage.body import Content, Direct
from airflow_dlaas.storage.object_store import Advance
from airflow_dlaas.storage.swift.auth import Transport
from airflow_dlaas.storage.swift.connection_route import Route, route_to

EXPLANATION = 1024**2
"""Bytes of an answer's body that are read for what it says: it may name each of a thousand segments that are gone."""


class Wire:
    """Sends and receives over as many connections as are asked for at the same time. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        # Of a deque any thread may take one: a lock for each request would have them wait for each other.
        self._ways: dict[str, tuple[Route, deque[http.client.HTTPConnection]]] = {}

    def close(self) -> None:
        """Close idle connections; others are made when somebody asks again."""
        with self._lock:
            ways, self._ways = self._ways, {}
        for _, idle in ways.values():
            while idle:
                idle.pop().close()

    def put(
        self, root: str, path: str, headers: Mapping[str, str], content: Content, advance: Advance | None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        PUT *content*; headers and body of the answer.

        :param root: the address that the token is for; *path*, quoted, goes on from there.
        """
        sent = 0
        try:
            with self._line(root, "PUT", path, {**headers, "Content-Length": str(content.size)}) as line:
                try:
                    for count in _sent(line, content):
                        sent += count
                        if advance is not None:
                            advance(count)
                except (BrokenPipeError, ConnectionResetError) as error:
                    # It may have answered before it hung up, and why is what we want to know.
                    with suppress(http.client.HTTPException, OSError):
                        _insist(line.getresponse(), "PUT", root)
                    raise error from None
                response = line.getresponse()
                _insist(response, "PUT", root)
                return response.headers, _drained(response)
        except BaseException:
            if advance is not None:
                advance(-sent)
            raise

    @contextmanager
    def get(self, root: str, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """GET; the answer, its body still to be read. One that ends too early is only seen by its number of bytes."""
        with self._line(root, "GET", path, headers) as line:
            response = line.getresponse()
            _insist(response, "GET", root)
            yield response
            if not response.isclosed():
                line.close()  # what is left of it must not be taken for the next answer

    @contextmanager
    def _line(
        self, root: str, method: str, path: str, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPConnection]:
        """A connection with the head of a request sent; kept for the next one only after a clean end."""
        way = self._ways.get(root)
        if way is None:
            with self._lock:
                way = self._ways.setdefault(root, (route_to(root, self._transport.verify), deque()))
        route, idle = way
        line = _alive(idle) or route.connect(self._transport)
        try:
            line.putrequest(method, route.prefix + path, skip_accept_encoding=True)
            for name, value in (*route.headers.items(), *headers.items()):
                line.putheader(name, value)
            line.endheaders()
            yield line
        except BaseException:
            line.close()
            raise
        if line.sock is not None:  # which it is after "Connection: close", too
            idle.append(line)


def _alive(idle: deque[http.client.HTTPConnection]) -> http.client.HTTPConnection | None:
    while True:
        try:
            line = idle.pop()
        except IndexError:
            return None
        poll = select.poll()
        poll.register(line.sock, select.POLLIN)
        if not poll.poll(0):
            return line
        line.close()  # readable, and nothing was asked: the other side has hung up


def _sent(line: http.client.HTTPConnection, content: Content) -> Iterator[int]:
    """Send *content*, on the shortest way there is; yields how many bytes went each time."""
    if isinstance(content, Direct) and not isinstance(line, http.client.HTTPSConnection):
        yield from content.send_over(line.sock)
        return
    for piece in content.pieces():
        line.send(piece)
        yield len(piece)


def _insist(response: http.client.HTTPResponse, method: str, root: str) -> None:
    """Raise what swiftclient would for an answer that is no success, so that it is understood in one place."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    asked = urlsplit(root)
    raise ClientException(
        f"{method} failed",
        http_scheme=asked.scheme,
        http_host=asked.hostname,
        http_port=asked.port,
        http_path=asked.path,
        http_status=response.status,
        http_reason=response.reason,
        http_response_headers=response.headers,
        http_response_content=response.read(EXPLANATION),
    )


def _drained(response: http.client.HTTPResponse) -> bytes:
    """The beginning of a body that is read to its end, so that the connection can be used again."""
    said = response.read(EXPLANATION)
    while response.read(EXPLANATION):
        pass
    return said
