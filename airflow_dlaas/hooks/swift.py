"""The hook to an OpenStack Swift object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_dlaas.contract.patterns import Patterns
    from airflow_dlaas.hooks.connections import SwiftConnection
    from airflow_dlaas.hooks.sources import Location
    from airflow_dlaas.storage.object_store import StoredObject
    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.storage.transfer.api import TransferReport
    from airflow_dlaas.storage.transfer.options import ExcludeFilter


class SwiftHook(BaseHook):
    """
    The object store of a connection of type `swift`, with Swift's own v1 authentication or Keystone v3.

    The first request authenticates. Transient errors are retried; an error that a method raises is final or has been
    retried. Every error of the object store is a `StoreError` of `airflow_dlaas.exceptions`, an error of this machine
    (disk full, no permission) is a `HostError`, and none of them contains a secret. A name that no container or object
    can have raises `InvalidName` before any request is sent.

    Use the hook as a context manager, or call `close`, so that connections do not stay open. One hook serves any number
    of threads.

    :param swift_conn_id: the id of the Airflow connection.
    """

    conn_name_attr = "swift_conn_id"
    default_conn_name = "swift_default"
    conn_type = "swift"
    hook_name = "OpenStack Swift"

    def __init__(self, swift_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.swift_conn_id = swift_conn_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def swift_connection(self) -> SwiftConnection:
        """
        The fields of the connection.

        :raises NotConfigured: a field is missing or wrong, or the connection has another type.
        """
        from airflow_dlaas.hooks.connections import SwiftConnection

        return SwiftConnection.from_connection(self.get_connection(self.swift_conn_id))

    async def aget_swift_connection(self) -> SwiftConnection:
        """Return the fields of the connection, as `swift_connection`; does not block the event loop of a triggerer."""
        from airflow_dlaas.hooks.connections import SwiftConnection

        return SwiftConnection.from_connection(await self.aget_connection(self.swift_conn_id))

    @cached_property
    def store(self) -> SwiftStore:
        """The object store behind this hook, for requests that have no method here."""
        return make_store(self.swift_connection)

    def get_conn(self) -> SwiftStore:
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
        return (
            True,
            f"The object store accepts the user {self.swift_connection.credentials.user}: {containers} containers",
        )

    # -- transfers: several files at a time -----------------------------------------

    def upload(
        self,
        source: Location,
        container: str,
        *,
        prefix: str = "",
        include: Patterns = None,
        exclude: Patterns = (),
        delete: bool = False,
        allow_empty: bool = False,
    ) -> TransferReport:
        """
        Store files under the folder *prefix* of *container*; a file that is unchanged in the store is not sent.

        Every object is verified by its MD5. If the upload breaks off, the files that are complete stay, and the next
        upload resumes a large file where it broke off. MD5s of unchanged local files are taken from the checksum cache
        of the user. Progress is logged every few seconds.

        :param source: a file, a folder or a glob: a path of this machine, or any address of `ObjectStoragePath`. Remote
            files are read in parts while they are sent, and are not stored on this machine.
        :param container: the container; it is created if it is missing.
        :param include: names and globs of the files to send, a text or a list of texts; None means all.
        :param exclude: names and globs of files to leave out; takes precedence over *include*.
        :param delete: afterwards delete objects under *prefix* that are not in the source. Objects that *include* and
            *exclude* leave out stay, and so do results of trainings.
        :param allow_empty: accept a source without files, or patterns that select none.
        :raises InvalidArgument: an argument is invalid; no request was sent.
        :raises NothingSelected: there is no file to send; no request was sent.
        :raises StoreError: a file cannot be read, named or sent; or *delete* is set, and the source has no file
            although there are objects to delete.
        """
        from airflow_dlaas.hooks.sources import find_sources
        from airflow_dlaas.storage.transfer.api import UploadOptions, upload
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
        from airflow_dlaas.storage.transfer.progress_logger import ProgressLogger

        options = UploadOptions(
            prefix=prefix,
            include=include,
            exclude=exclude,
            delete=delete,
            allow_empty=allow_empty,
            create_container=True,
            checksum_cache=ChecksumCache(default_path()),
            progress=ProgressLogger("Upload:", self.log),
        )
        sources = find_sources(source, include, exclude, allow_empty=allow_empty)
        return upload(self.store, sources, container, options)

    def download(
        self,
        container: str,
        destination: Path,
        *,
        prefix: str = "",
        names: Patterns = None,
        exclude_filter: ExcludeFilter | None = None,
        allow_empty: bool = False,
    ) -> TransferReport:
        """
        Fetch the objects under the folder *prefix* of *container* into a local folder.

        A file is named by the part of the object's name after *prefix*. A file with the same size and MD5 is not
        fetched again. Each file appears complete and verified by its MD5. If the download breaks off, the next one
        resumes. Other files in *destination* stay. Progress is logged every few seconds.

        :param destination: the local folder; it is created if it is missing.
        :param names: fetch only these objects, given by their full names; a text is one name.
        :param exclude_filter: receives the names of all objects under *prefix*, and returns those that are not fetched.
        :param allow_empty: accept that there is nothing to fetch.
        :raises InvalidArgument: an argument is invalid; no request was sent.
        :raises ObjectNotFound: there is nothing to fetch, or one of *names* does not exist; nothing was fetched.
        :raises StoreError: a name would lead out of *destination*; nothing was fetched.
        :raises HostError: *destination* cannot be written, or its disk is too small.
        """
        from airflow_dlaas.storage.transfer.api import DownloadOptions, download
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path
        from airflow_dlaas.storage.transfer.progress_logger import ProgressLogger

        options = DownloadOptions(
            prefix=prefix,
            names=names,
            exclude_filter=exclude_filter,
            allow_empty=allow_empty,
            checksum_cache=ChecksumCache(default_path()),
            progress=ProgressLogger("Download:", self.log),
        )
        return download(self.store, container, destination, options)

    def delete_objects(
        self,
        container: str,
        *,
        prefix: str = "",
        names: Patterns = None,
        everything: bool = False,
        exclude_filter: ExcludeFilter | None = None,
    ) -> Sequence[str]:
        """
        Delete the objects under the folder *prefix*, or only *names*; return the names of the deleted objects.

        The segments of large objects are deleted too. An object that does not exist is no error. The container stays.

        :param names: delete only these objects, given by their full names; a text is one name.
        :param everything: required to delete all objects of the container: with no *prefix* and no *names*.
        :param exclude_filter: receives the names of the objects to delete, and returns those that stay.
        :raises InvalidArgument: an argument is invalid, or all objects would be deleted and *everything* is not set; no
            request was sent.
        :raises ContainerNotFound: there is no such container.
        """
        from airflow_dlaas.exceptions import InvalidArgument
        from airflow_dlaas.storage.transfer.api import delete_objects

        if not prefix and names is None and not everything:
            raise InvalidArgument(
                f"prefix is empty, which would delete all of container {container!r}: give a prefix or names, or set "
                "everything=True"
            )
        return delete_objects(self.store, container, prefix=prefix, names=names, exclude_filter=exclude_filter)

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


def make_store(connection: SwiftConnection, *, retry: bool = True) -> SwiftStore:
    """
    Make a store of *connection*; sends no request.

    :param retry: retry transient errors; a caller that repeats its request anyway sets it to False.
    """
    from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
    from airflow_dlaas.storage.swift.store import SwiftStore

    return SwiftStore.open(
        connection.credentials, verify=connection.verify, retry_policy=RetryPolicy() if retry else NO_RETRY
    )
