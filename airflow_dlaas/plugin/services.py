"""The services that connections name, as seen from Airflow's API server."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.protocol import NO_RETRY
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import ProtocolError, NotConfigured, Unreachable
from airflow_dlaas.hooks.connections import ServiceAccess

T = TypeVar("T")

logger = logging.getLogger(__name__)

TIMEOUT = (2.0, 5.0)
"""Seconds to connect and to answer: somebody looks at a page meanwhile."""

ACCESS_LASTS = 30.0
"""Seconds for which a connection is not asked for again: how soon a changed password is noticed."""

LISTING_LASTS = 2.0
"""Seconds for which a listing serves all who look at the same time."""

LISTED = 300
"""The newest trainings of a service that are looked through."""

CLIENTS = 32


def from_airflow(conn_id: str) -> ServiceAccess:
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
    return ServiceAccess.from_connection(connection)


class Services:
    """One client for each connection, made when it is first needed. Thread-safe; every method may block."""

    def __init__(
        self,
        read: Callable[[str], ServiceAccess] = from_airflow,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, ServiceAccess]] = {}
        self._clients: OrderedDict[ServiceAccess, Client] = OrderedDict()
        self._listings: dict[str, tuple[float, tuple[Training, ...]]] = {}

    def send(self, conn_id: str, call: Call[T]) -> T:
        """
        Send *call* once to the service of *conn_id*: whoever looks asks again soon.

        :raises DlaasError: with no word of where the service is, which is no business of the browser's.
        """
        client = self.client(conn_id)
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

    def trainings(self, conn_id: str, *, lasts: float = LISTING_LASTS) -> tuple[Training, ...]:
        """List the newest trainings of the service, newest first, as they were at most *lasts* seconds ago."""
        now = self._clock()
        with self._lock:
            known = self._listings.get(conn_id)
        if known is None or now - known[0] > lasts:
            found = self.send(conn_id, calls.list_trainings(limit=LISTED)).resources
            known = (now, tuple(found))
            with self._lock:
                self._listings[conn_id] = known
        return known[1]

    def access(self, conn_id: str) -> ServiceAccess:
        """Tell what *conn_id* says, as it was at most `ACCESS_LASTS` ago."""
        now = self._clock()
        with self._lock:
            known = self._known.get(conn_id)
        if known is None or now - known[0] > ACCESS_LASTS:
            known = (now, self._read(conn_id))
            with self._lock:
                self._known[conn_id] = known
        return known[1]

    def client(self, conn_id: str) -> Client:
        """Give the client for *conn_id*."""
        access = self.access(conn_id)
        with self._lock:
            client = self._clients.get(access)
            if client is None:
                client = Client(access.url, access.login, access.password, verify=access.verify, timeout=TIMEOUT)
                self._clients[access] = client
            self._clients.move_to_end(access)
            dropped = self._clients.popitem(last=False)[1] if len(self._clients) > CLIENTS else None
        if dropped is not None:
            dropped.close()
        return client
