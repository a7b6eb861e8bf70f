"""The transfers of a hook to an object store: several files at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_dlaas.contract.patterns import Patterns
    from airflow_dlaas.hooks.sources import Location
    from airflow_dlaas.storage.open_object_store import OpenedStore
    from airflow_dlaas.storage.transfer.api import TransferReport
    from airflow_dlaas.storage.transfer.options import ExcludeFilter


class ObjectTransfers(BaseHook):
    """The methods of a hook that send, fetch and delete several files at a time."""

    @property
    @abstractmethod
    def store(self) -> OpenedStore:
        """The object store, which is opened at its first use."""

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
