"""The hook to an object store, of whatever kind: OpenStack Swift, S3 or Google Cloud Storage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar

from airflow_dlaas.hooks.object_transfers import ObjectTransfers

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection
    from airflow_dlaas.storage.object_store import StoredObject
    from airflow_dlaas.storage.open_object_store import OpenedStore


class ObjectStoreHook(ObjectTransfers):
    """
    The object store of a connection of the type `swift`, `aws` (S3) or `google_cloud_platform` (Cloud Storage).

    The type of the connection decides which store it is; every method works with each of them. A container is called a
    bucket in S3 and Cloud Storage.

    The first request authenticates. Transient errors are retried; an error that a method raises is final or has been
    retried. Every error of the object store is a `StoreError` of `airflow_dlaas.exceptions`, an error of this machine
    (disk full, no permission) is a `HostError`, and none of them contains a secret. A name that no container or object
    can have raises `InvalidName` before any request is sent. Temporary credentials are renewed before they end.

    Use the hook as a context manager, or call `close`, so that connections do not stay open. One hook serves any number
    of threads.

    :param store_conn_id: the id of the Airflow connection.
    """

    conn_name_attr = "store_conn_id"
    default_conn_name = "swift_default"
    conn_types: ClassVar[tuple[str, ...]] = ("swift", "aws", "google_cloud_platform")
    """The types of connections that this hook accepts."""

    def __init__(self, store_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.store_conn_id = store_conn_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def store_connection(self) -> ObjectStoreConnection:
        """
        The fields of the connection.

        :raises NotConfigured: a field is missing or wrong, or the connection has another type.
        """
        from airflow_dlaas.hooks.store_connections.airflow_connection import read_store_connection

        return read_store_connection(self.get_connection(self.store_conn_id), self.conn_types)

    async def aget_store_connection(self) -> ObjectStoreConnection:
        """Return the fields of the connection, as `store_connection`; does not block the event loop of a triggerer."""
        from airflow_dlaas.hooks.store_connections.airflow_connection import read_store_connection

        return read_store_connection(await self.aget_connection(self.store_conn_id), self.conn_types)

    @cached_property
    def store(self) -> OpenedStore:
        """
        The object store behind this hook, for requests that have no method here.

        :raises NotConfigured: there are no credentials, or a field of the connection is wrong.
        """
        return make_store(self.store_connection)

    def get_conn(self) -> OpenedStore:
        """Return `store`; the name is that of Airflow's hooks."""
        return self.store

    def close(self) -> None:
        """Close idle connections. The hook can be used again afterwards."""
        if "store" in vars(self):
            self.store.close()

    def test_connection(self) -> tuple[bool, str]:
        """Authenticate and list the containers: the "Test" button of the connection form."""
        from airflow_dlaas.exceptions import DlaasError

        try:
            containers = len(self.list_containers())
        except DlaasError as error:
            return False, str(error)
        return True, f"The object store accepts {self.store_connection.fields.user}: {containers} containers"

    # -- single objects ---------------------------------------------------------------

    def list_objects(self, container: str, prefix: str = "") -> Iterator[StoredObject]:
        """
        Yield the objects whose names start with *prefix*, sorted by name; pages are requested as they are needed.

        Here *prefix* is the beginning of a name, not a folder: ``day`` finds ``day/a`` and ``days``. An object that is
        stored or deleted during the iteration may or may not appear.

        :raises ContainerNotFound: there is no such container.
        """
        return self.store.list_objects(container, prefix)

    def stat_object(self, container: str, name: str) -> StoredObject:
        """
        Return size, MD5 and time of an object as they are now; a listing may be older.

        :raises ObjectNotFound: there is no such object.
        """
        return self.store.stat(container, name)

    def get_object(self, container: str, name: str, destination: Path) -> int:
        """
        Fetch an object into the file *destination*, whose folder exists; return the number of bytes.

        The file appears complete and verified by its MD5, or not at all. It replaces an earlier file in one step.

        :raises ObjectNotFound: there is no such object.
        :raises HostError: the file cannot be written.
        """
        return self.store.get(container, name, destination)

    def put_object(self, container: str, name: str, source: Path | bytes) -> str:
        """
        Store a local file or bytes as one object, and replace an earlier one; return the MD5 in hex.

        The store verifies the MD5: content that was damaged or changed on the way is not stored, and the earlier object
        stays. For files larger than the store accepts in one piece (5 GiB by default) use `upload`.

        :raises ContainerNotFound: there is no such container.
        :raises Corrupted: the MD5 differed at every attempt.
        """
        return self.store.put(container, name, source)

    # -- containers -------------------------------------------------------------------

    def list_containers(self) -> Sequence[str]:
        """Return the names of all containers of the account."""
        return self.store.list_containers()

    def container_exists(self, container: str) -> bool:
        """
        Return whether there is a container of this name.

        :raises StoreRefused: the user may not read it.
        """
        from airflow_dlaas._util.retry import RetryPolicy, call_with_retry
        from airflow_dlaas.exceptions import ContainerNotFound, is_transient

        try:
            call_with_retry(  # `check` itself does not retry
                lambda: self.store.check(container),
                RetryPolicy(),
                what=f"Checking container {container}",
                is_transient=is_transient,
                logger=self.log,
            )
        except ContainerNotFound:
            return False
        return True

    def create_container(self, container: str) -> None:
        """Create a container; it is no error if the container exists."""
        self.store.create_container(container)

    def delete_container(self, container: str) -> None:
        """
        Delete an empty container.

        :raises ContainerNotFound: there is no such container.
        :raises StoreError: there is an object in it.
        """
        self.store.delete_container(container)


class LazyStore:
    """
    The store of a connection, opened at its first use: that may find credentials by a request. Thread-safe.

    :param open_store: opens the store.
    """

    def __init__(self, open_store: Callable[[], OpenedStore]) -> None:
        self._open = open_store
        self._lock = threading.Lock()
        self._store: OpenedStore | None = None

    def get(self) -> OpenedStore:
        """Return the store; it is opened now if it is not open yet. May block."""
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    def close(self) -> None:
        """Close idle connections of the store, if it is open."""
        if self._store is not None:
            self._store.close()


def make_store(
    connection: ObjectStoreConnection,
    *,
    retry: bool = True,
    connect_timeout: float | None = None,
    read_timeout: float | None = None,
) -> OpenedStore:
    """
    Make a store of *connection*; sends no request to the store. Its credentials are found now, which may block.

    :param retry: retry transient errors; a caller that repeats its request anyway sets it to False.
    :param connect_timeout: seconds to reach the store, in place of the default.
    :param read_timeout: seconds that the store may be silent, in place of the default.
    :raises NotConfigured: there are no credentials, or a field of the connection is wrong.
    """
    from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
    from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store

    found = connection.find_credentials()
    options = OpenOptions(
        verify=connection.verify, renew=found.renew, retry_policy=RetryPolicy() if retry else NO_RETRY
    )
    if connect_timeout is not None:
        options = replace(options, connect_timeout=connect_timeout)
    if read_timeout is not None:
        options = replace(options, read_timeout=read_timeout)
    return open_object_store(found.connection, options)
