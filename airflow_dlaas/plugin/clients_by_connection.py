"""One client for each Airflow connection, of a service or of an object store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from cachetools import LRUCache, TTLCache

CONNECTION_TTL = 30.0
"""Seconds for which a connection is cached: a changed password takes effect after this time at the latest."""

MAX_CLIENTS = 32
"""Clients that stay open."""

MAX_CONNECTIONS = 256
"""Connections whose settings are cached."""


class Closable(Protocol):
    """What a client has in common with any other."""

    def close(self) -> None:
        """Close its idle connections; a request that uses it goes on."""


ConnectionT = TypeVar("ConnectionT")
ClientT = TypeVar("ClientT", bound=Closable)


class _ClosingCache(LRUCache[ConnectionT, ClientT]):
    """Closes a client when it is evicted."""

    def popitem(self) -> tuple[ConnectionT, ClientT]:
        connection, client = super().popitem()
        client.close()
        return connection, client


class ClientsByConnection(Generic[ConnectionT, ClientT]):
    """
    One client for each connection, made at its first use; connections with equal settings share one.

    Thread-safe; every method may block.

    :param read_connection: returns the settings of the connection with an id; its errors are raised unchanged.
    :param make_client: makes the client for these settings, without a request.
    """

    def __init__(
        self,
        read_connection: Callable[[str], ConnectionT],
        make_client: Callable[[ConnectionT], ClientT],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_connection = read_connection
        self._make_client = make_client
        self._lock = threading.Lock()  # the caches are not thread-safe, not even to read
        self._connections: TTLCache[str, ConnectionT] = TTLCache(MAX_CONNECTIONS, CONNECTION_TTL, timer=clock)
        self._clients: _ClosingCache[ConnectionT, ClientT] = _ClosingCache(MAX_CLIENTS)

    def get_connection(self, conn_id: str) -> ConnectionT:
        """Return the settings of *conn_id*, as of at most `CONNECTION_TTL` seconds ago."""
        with self._lock:
            connection = self._connections.get(conn_id)
        if connection is None:
            connection = self._read_connection(conn_id)
            with self._lock:
                self._connections[conn_id] = connection
        return connection

    def get_client(self, conn_id: str) -> ClientT:
        """Return the client for *conn_id*."""
        connection = self.get_connection(conn_id)
        with self._lock:
            client = self._clients.get(connection)
            if client is None:
                client = self._clients[connection] = self._make_client(connection)
        return client

    def close(self) -> None:
        """Close all clients; the next request makes new ones."""
        with self._lock:
            while self._clients:
                self._clients.popitem()
