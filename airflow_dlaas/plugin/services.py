"""Clients of the services that Airflow connections name, for requests of the pages."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cachetools import TTLCache

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.instance import Extensions
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import (
    InvalidRequest,
    MethodNotAllowed,
    NotConfigured,
    NotFound,
    ProtocolError,
    Unreachable,
)
from airflow_dlaas.hooks.airflow_connection import AirflowConnection
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.plugin.clients_by_connection import MAX_CONNECTIONS, ClientsByConnection

T = TypeVar("T")

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT = (2.0, 5.0)
"""Seconds to connect, and to wait for the response: short, because a user waits for the page."""

LISTING_TTL = 2.0
"""Seconds for which one list of trainings serves all requests of the pages."""

MAX_LISTING_AGE = 60.0
"""Seconds for which a list is cached at all; `ServiceClients.list_trainings` takes a lower limit for each request."""

MAX_LISTED_TRAININGS = 300
"""How many of a service's newest trainings are listed."""

WARNING_INTERVAL = 60.0
"""Seconds between two warnings about one connection: open pages repeat a failed request every few seconds."""

EXTENSIONS_TTL = 60.0
"""Seconds for which the extensions of a service are cached: after its upgrade, the pages use the new ones."""


def read_airflow_connection(conn_id: str) -> ServiceConnection:
    """
    Read the connection *conn_id*.

    :raises NotConfigured: it does not exist, it has another type, or a field is missing.
    """
    return ServiceConnection.from_connection(get_airflow_connection(conn_id))


def get_airflow_connection(conn_id: str) -> AirflowConnection:
    """
    Return the connection *conn_id* as Airflow has it.

    :raises NotConfigured: it does not exist.
    """
    from airflow.sdk import BaseHook

    from airflow_dlaas.hooks.compat import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NotConfigured(f"Connection {conn_id!r} does not exist any more") from None


def open_airflow_client(connection: ServiceConnection) -> Client:
    """Make the client of *connection*, without a request."""
    return Client(
        connection.url, connection.login, connection.password, verify=connection.verify, timeout=REQUEST_TIMEOUT
    )


class ServiceClients:
    """One client for each connection, created at its first use. Thread-safe; every method may block."""

    def __init__(
        self,
        read_connection: Callable[[str], ServiceConnection] = read_airflow_connection,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clients = ClientsByConnection(read_connection, open_airflow_client, clock=clock)
        self._clock = clock
        self._lock = threading.Lock()  # the caches are not thread-safe, not even to read
        self._listings: TTLCache[str, tuple[float, tuple[Training, ...]]] = TTLCache(
            MAX_CONNECTIONS, MAX_LISTING_AGE, timer=clock
        )
        self._extensions: TTLCache[str, Extensions] = TTLCache(MAX_CONNECTIONS, EXTENSIONS_TTL, timer=clock)
        self._warned: TTLCache[str, bool] = TTLCache(MAX_CONNECTIONS, WARNING_INTERVAL, timer=clock)

    def send(self, conn_id: str, call: Call[T]) -> T:
        """
        Send *call* once to the service of *conn_id*, without a retry: the page repeats its requests.

        :raises DlaasError: without the service's address, which must not reach the browser.
        """
        client = self.get_client(conn_id)
        try:
            return client.send(call, retries=NO_RETRY)
        except NotConfigured as error:
            raise NotConfigured(f"The URL in connection {conn_id!r} is not valid") from error
        except Unreachable as error:
            self._log_failure(conn_id, call, error)
            raise Unreachable(f"The service of connection {conn_id!r} does not answer") from error
        except ProtocolError as error:
            self._log_failure(conn_id, call, error)
            raise ProtocolError(f"The server of connection {conn_id!r} is not a training service") from error

    def list_trainings(self, conn_id: str, *, max_age: float = LISTING_TTL) -> tuple[Training, ...]:
        """List the newest trainings of the service, newest first, as of at most *max_age* seconds ago."""
        now = self._clock()
        with self._lock:
            cached = self._listings.get(conn_id)
        if cached is not None and now - cached[0] <= max_age:
            return cached[1]
        trainings = tuple(self.send(conn_id, calls.list_trainings(limit=MAX_LISTED_TRAININGS)).resources)
        with self._lock:
            self._listings[conn_id] = (now, trainings)
        return trainings

    def has_annotations(self, conn_id: str) -> bool:
        """
        Return whether the service of *conn_id* keeps notes and tags, as of at most `EXTENSIONS_TTL` seconds ago.

        :raises DlaasError: as `send`; not for a service that does not describe itself.
        """
        with self._lock:
            extensions = self._extensions.get(conn_id)
        if extensions is None:
            try:
                extensions = self.send(conn_id, calls.get_instance()).entity.extensions
            except (NotFound, MethodNotAllowed, InvalidRequest, ProtocolError):
                extensions = Extensions()
            with self._lock:
                self._extensions[conn_id] = extensions
        return extensions.annotations

    def get_connection(self, conn_id: str) -> ServiceConnection:
        """
        Return the settings of *conn_id*, as of at most `clients_by_connection.CONNECTION_TTL` seconds ago.

        :raises NotConfigured: it does not exist, it has another type, or a field is missing.
        """
        return self._clients.get_connection(conn_id)

    def get_client(self, conn_id: str) -> Client:
        """Return the client for *conn_id*; connections with equal settings share one."""
        return self._clients.get_client(conn_id)

    def _log_failure(self, conn_id: str, call: Call[Any], error: Exception) -> None:
        """Log a failed request, at WARNING once in `WARNING_INTERVAL` for each connection, at DEBUG otherwise."""
        with self._lock:
            level = logging.DEBUG if conn_id in self._warned else logging.WARNING
            if level == logging.WARNING:
                self._warned[conn_id] = True
        path = call.path.partition("?")[0]  # the query may contain the text that a user searches a log for
        logger.log(
            level, "Connection %s: %s %s failed: %s; no retry, the page asks again", conn_id, call.method, path, error
        )
