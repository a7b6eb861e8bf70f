"""The connections of swiftclient: it authenticates, lists, and sends every request without an object's content."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from swiftclient import client as swiftclient

from airflow_dlaas.storage.http.http_options import HttpOptions

SwiftclientConnection = tuple[Any, Any]
"""swiftclient's pair of the parsed URL and the connection, which stays open between requests."""


class SwiftclientPool:
    """As many connections as threads send requests at the same time. Thread-safe."""

    def __init__(self, http_options: HttpOptions) -> None:
        self._http_options = http_options
        self._lock = threading.Lock()
        self._idle: list[tuple[str, SwiftclientConnection]] = []
        # By default swiftclient logs the first characters of a token. The setting holds for the whole process.
        swiftclient.logger_settings.update(redact_sensitive_headers=True, reveal_sensitive_prefix=0)
        if http_options.verify is False:
            # The option itself states that nothing is verified; urllib3 would warn at every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if not swiftclient.logger.level:
            # At INFO swiftclient logs each response that is no success, with its headers; the errors here describe it.
            swiftclient.logger.setLevel(logging.WARNING)

    def close(self) -> None:
        """Close idle connections. The pool can be used afterwards; it then makes new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection[1].close()

    @contextmanager
    def connection(self, url: str) -> Iterator[SwiftclientConnection]:
        """Lend a connection that no other thread uses meanwhile; it is reused only after a block without an error."""
        with self._lock:
            connected_url, connection = self._idle.pop() if self._idle else (url, None)
        if connection is not None and connected_url != url:
            connection[1].close()
            connection = None
        if connection is None:
            connection = connect(url, self._http_options)
        try:
            yield connection
        except BaseException:
            # If a response came before the whole request was sent, the two sides may be out of step.
            connection[1].close()
            raise
        with self._lock:
            self._idle.append((url, connection))


def connect(url: str, http_options: HttpOptions) -> SwiftclientConnection:
    """Make a connection to *url* that follows no redirect."""
    connection: SwiftclientConnection = swiftclient.http_connection(
        url,
        cacert=http_options.verify if isinstance(http_options.verify, str) else None,
        insecure=http_options.verify is False,
        timeout=(http_options.connect_timeout, http_options.read_timeout),
    )
    connection[1].requests_args["allow_redirects"] = False
    return connection
