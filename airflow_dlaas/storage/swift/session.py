"""
How a Swift is asked: with a token, over a connection of one's own, patiently.

This is what swiftclient's ``Connection`` would do if it could be shared by threads, honoured Retry-After, repeated a
body of bytes and renewed the Keystone token of a user known by id.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urljoin

import urllib3
from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.patience import Patience
from airflow_dlaas.storage.swift.auth import Access, Grant, Line, Transport, connect
from airflow_dlaas.storage.swift.errors import asked_to_wait, in_our_words

T = TypeVar("T")


class Asking:
    """As many connections as there are threads asking at the same time, and one token. Thread-safe."""

    def __init__(self, connection: StoreConnection, transport: Transport, patience: Patience) -> None:
        self.where = connection.auth_url
        """The address, as people know it."""
        self._transport = transport
        self._patience = patience
        self._access = Access(connection, transport)
        self._lock = threading.Lock()
        self._idle: list[tuple[str, Line]] = []
        # By default a log line on a refused request begins the token; this applies to the whole process.
        swiftclient.logger_settings.update(redact_sensitive_headers=True, reveal_sensitive_prefix=0)
        if transport.verify is False:
            # Once said in the connection, it need not be said again with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if not swiftclient.logger.level:
            # At INFO it tells of every answer that is no success, headers and all; ours is told when it matters.
            swiftclient.logger.setLevel(logging.WARNING)

    def close(self) -> None:
        """Close idle connections; others are made when somebody asks again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, line in idle:
            line[1].close()

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Repeat what failed for a while only, as long as patience lasts."""
        pauses = self._patience.pauses()
        while True:
            try:
                return attempt()
            except StoreError as error:  # noqa: PERF203  (that is what the loop is for)
                pause = next(pauses, None) if error.transient else None
                wait = asked_to_wait(error)
                if pause is None or wait > self._patience.longest:
                    raise
                time.sleep(max(pause, wait))

    def ask(self, question: Callable[..., T], *names: str, **details: Any) -> T:
        """
        Ask about the container and the object in *names* with *question*, one of swiftclient's functions.

        Once more with a new token where this one is not accepted.
        """

        def asking(grant: Grant) -> T:
            with self.line(grant.url) as line:
                return question(grant.url, grant.token, *names, http_conn=line, **details)

        container, name = (*names, None, None)[:2]
        return self.granted(asking, container, name)

    def granted(self, work: Callable[[Grant], T], container: str | None = None, name: str | None = None) -> T:
        """Do *work* on *container* and *name* with a token; once more with a new one where it is not accepted."""
        grant = self._access.grant()
        with in_our_words(self.where, container=container, name=name):
            try:
                return work(grant)
            except ClientException as error:
                if error.http_status != HTTPStatus.UNAUTHORIZED:
                    raise
            return work(self._access.grant(instead_of=grant))

    def capabilities(self) -> Mapping[str, Any]:
        """What the store says of itself to everybody; empty where it keeps that to itself."""

        def asking(grant: Grant) -> Mapping[str, Any]:
            with self.line(urljoin(grant.url, "/info")) as line:
                said: Mapping[str, Any] = swiftclient.get_capabilities(line)
                return said

        try:
            return self.granted(asking)
        except StoreError as error:
            if error.transient:
                raise
            return {}

    @contextmanager
    def line(self, url: str) -> Iterator[Line]:
        """A connection nobody else uses meanwhile; kept for the next only after a clean end."""
        with self._lock:
            known, line = self._idle.pop() if self._idle else (url, None)
        if line is not None and known != url:
            line[1].close()
            line = None
        if line is None:
            line = connect(url, self._transport)
        try:
            yield line
        except BaseException:
            # After an answer that came before all was sent, the two sides may be out of step.
            line[1].close()
            raise
        with self._lock:
            self._idle.append((url, line))
