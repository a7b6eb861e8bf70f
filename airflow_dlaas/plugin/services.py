"""The services that connections name, as seen from Airflow's API server."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import NotConfigured, ProtocolError, Unreachable
from airflow_dlaas.hooks.connections import ServiceConnection

T = TypeVar("T")

logger = logging.getLogger(__name__)

REQUEST_TIMEOUT = (2.0, 5.0)
"""Seconds to connect and to answer: somebody looks at a page meanwhile."""

CONNECTION_TTL = 30.0
"""Seconds for which a connection is not asked for again: how soon a changed password is noticed."""

LISTING_TTL = 2.0
"""Seconds for which a listing serves all who look at the same time."""

MAX_LISTED_TRAININGS = 300
"""The newest trainings of a service that are looked through."""

MAX_CLIENTS = 32


def read_airflow_connection(conn_id: str) -> ServiceConnection:
    """
    Read the connection *conn_id*.

    :raises NotConfigured: there is none, it is of another type, or half of it is missing.
    """
    from airflow.sdk import BaseHook

    from airflow_dlaas.hooks.compat import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        raise NotConfigured(f"There is no connection {conn_id!r} any more") from None
    return ServiceConnection.from_connection(connection)


class ServiceClients:
    """One client for each connection, made when it is first needed. Thread-safe; every method may block."""

    def __init__(
        self,
        read_connection: Callable[[str], ServiceConnection] = read_airflow_connection,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_connection = read_connection
        self._clock = clock
        self._lock = threading.Lock()
        self._connections: dict[str, tuple[float, ServiceConnection]] = {}
        self._clients: OrderedDict[ServiceConnection, Client] = OrderedDict()
        self._listings: dict[str, tuple[float, tuple[Training, ...]]] = {}

    def send(self, conn_id: str, call: Call[T]) -> T:
        """
        Send *call* once to the service of *conn_id*: whoever looks asks again soon.

        :raises DlaasError: with no word of where the service is, which is no business of the browser's.
        """
        client = self.get_client(conn_id)
        try:
            return client.send(call, retries=NO_RETRY)
        except NotConfigured as error:
            raise NotConfigured(f"The URL in connection {conn_id!r} can't be called") from error
        except Unreachable as error:
            logger.info("Connection %s: %s", conn_id, error)
            raise Unreachable(f"The service of connection {conn_id!r} does not answer") from error
        except ProtocolError as error:
            logger.warning("Connection %s: %s", conn_id, error)
            raise ProtocolError(f"What answers for connection {conn_id!r} is no such service") from error

    def list_trainings(self, conn_id: str, *, max_age: float = LISTING_TTL) -> tuple[Training, ...]:
        """List the newest trainings of the service, newest first, as they were at most *max_age* seconds ago."""
        now = self._clock()
        with self._lock:
            known = self._listings.get(conn_id)
        if known is None or now - known[0] > max_age:
            found = self.send(conn_id, calls.list_trainings(limit=MAX_LISTED_TRAININGS)).resources
            known = (now, tuple(found))
            with self._lock:
                self._listings[conn_id] = known
        return known[1]

    def get_connection(self, conn_id: str) -> ServiceConnection:
        """Tell what *conn_id* says, as it was at most `CONNECTION_TTL` ago."""
        now = self._clock()
        with self._lock:
            known = self._connections.get(conn_id)
        if known is None or now - known[0] > CONNECTION_TTL:
            known = (now, self._read_connection(conn_id))
            with self._lock:
                self._connections[conn_id] = known
        return known[1]

    def get_client(self, conn_id: str) -> Client:
        """Give the client for *conn_id*."""
        access = self.get_connection(conn_id)
        with self._lock:
            client = self._clients.get(access)
            if client is None:
                client = Client(
                    access.url, access.login, access.password, verify=access.verify, timeout=REQUEST_TIMEOUT
                )
                self._clients[access] = client
            self._clients.move_to_end(access)
            dropped = self._clients.popitem(last=False)[1] if len(self._clients) > MAX_CLIENTS else None
        if dropped is not None:
            dropped.close()
        return client
