"""The object stores that Airflow connections name, for the results that the pages show."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from airflow_dlaas.exceptions import (
    ContainerNotFound,
    Corrupted,
    ObjectNotFound,
    StoreError,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.hooks.object_store import LazyStore, make_store
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection, read_store_connection
from airflow_dlaas.plugin.clients_by_connection import ClientsByConnection
from airflow_dlaas.plugin.services import get_airflow_connection
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 15.0
"""Seconds to reach the store, and that it may be silent: a user waits for the page."""

CHUNK_SIZE = 4 * 1024**2
"""Bytes of a download that are in memory at a time."""


def open_airflow_store(connection: ObjectStoreConnection) -> LazyStore:
    """Make the store of *connection*, without a request. It retries nothing: the user repeats what failed."""
    return LazyStore(
        partial(make_store, connection, retry=False, connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT)
    )


def read_result_connection(conn_id: str) -> ObjectStoreConnection:
    """
    Read the connection *conn_id*.

    :raises NotConfigured: it does not exist, it has another type, or a field is missing.
    """
    return read_store_connection(get_airflow_connection(conn_id))


class ResultStores:
    """One store for each connection, created at its first use. Thread-safe; every method may block."""

    def __init__(
        self,
        read_connection: Callable[[str], ObjectStoreConnection] = read_result_connection,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = ClientsByConnection(read_connection, open_airflow_store, clock=clock)

    def close(self) -> None:
        """Close all stores; the next request makes new ones."""
        self._stores.close()

    @contextmanager
    def use(self, conn_id: str) -> Iterator[ObjectStore]:
        """
        Yield the store of *conn_id*.

        :raises StoreError: of the block, without the store's address, which must not reach the browser.
        :raises NotConfigured: the connection does not exist, has another type, or a field is missing.
        """
        with translate_store_errors(conn_id):
            yield self._stores.get_client(conn_id).get()


@contextmanager
def translate_store_errors(conn_id: str) -> Iterator[None]:
    """Raise errors of a store as sentences that name the connection, and not the address in it."""
    try:
        yield
    except ObjectNotFound as error:
        raise ObjectNotFound("The results have no file with this name") from error
    except ContainerNotFound as error:
        raise ContainerNotFound(f"The object store of connection {conn_id!r} has no such container") from error
    except StoreRefused as error:
        raise StoreRefused(f"The object store does not accept the credentials of connection {conn_id!r}") from error
    except StoreUnreachable as error:
        raise StoreUnreachable(f"The object store of connection {conn_id!r} does not answer") from error
    except StoreError as error:
        raise StoreError(f"The request to the object store of connection {conn_id!r} failed") from error


def read_chunks(store: ObjectStore, container: str, name: str, layout: ObjectLayout) -> Iterator[bytes]:
    """
    Yield the content of an object in chunks.

    :raises StoreError: also for an object that was replaced since *layout* was read, before any of its new content.
    :raises Corrupted: the content is not what was stored, as far as the store knows its MD5; raised before the last
        chunk.
    """
    md5 = hashlib.md5(usedforsecurity=False)
    for start in range(0, layout.size, CHUNK_SIZE):
        part = Part(start, min(CHUNK_SIZE, layout.size - start))
        chunk = _read_part(store, container, name, layout, part)
        md5.update(chunk)
        if start + part.size == layout.size and layout.md5 is not None and md5.hexdigest() != layout.md5:
            raise Corrupted(f"{container}/{name} arrived with another MD5 than it was stored with")
        yield chunk


def _read_part(store: ObjectStore, container: str, name: str, layout: ObjectLayout, part: Part) -> bytes:
    chunk = bytearray(part.size)

    def write_at(offset: int, received: bytes) -> None:
        begin = offset - part.start
        chunk[begin : begin + len(received)] = received

    store.get_part(container, name, layout, part, write_at)
    return bytes(chunk)
