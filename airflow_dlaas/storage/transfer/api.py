"""
Transfer of whole folders to and from a container: planned from one listing, then carried out in parallel, verified.

Files that did not change are not transferred. The first failure ends the transfer; what has arrived by then stays and
is skipped by the next attempt, which also resumes a large file where the last one was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from airflow_dlaas.contract.patterns import Patterns, parse_object_names
from airflow_dlaas.contract.results import marker_name, result_folders
from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound, StoreError
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.sources.local import Source
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.deletion import delete_stored_objects
from airflow_dlaas.storage.transfer.download import Downloader, ensure_folder
from airflow_dlaas.storage.transfer.options import DownloadOptions, ExcludeFilter, TransferOptions, UploadOptions
from airflow_dlaas.storage.transfer.plan import (
    PlannedUpload,
    folder_prefix,
    planned_deletions,
    planned_downloads,
    planned_uploads,
)
from airflow_dlaas.storage.transfer.selection import Selection, UploadSources
from airflow_dlaas.storage.transfer.upload import Uploader
from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback, ProgressTracker, WorkerPool

__all__ = [
    "DownloadOptions",
    "Progress",
    "ProgressCallback",
    "TransferReport",
    "UploadOptions",
    "UploadPlan",
    "delete_objects",
    "download",
    "plan_upload",
    "upload",
]


@dataclass(frozen=True, slots=True)
class TransferReport:
    """Files and bytes that a transfer moved, files that it found unchanged, and objects that it deleted."""

    files: int
    bytes: int
    unchanged: int
    deleted: int = 0
    result_folders: tuple[str, ...] = ()
    """Folders of an upload that count as results of trainings (`contract.results`): no training has them as data."""


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload would do; names are full names, in the order of the container."""

    uploads: tuple[Source, ...]
    unchanged: int
    deletions: tuple[str, ...]
    creates_container: bool = False
    """Whether the container is missing, and would be created."""

    @property
    def bytes(self) -> int:
        """Bytes that would be sent; segments of a large file may already be there from an interrupted upload."""
        return sum(source.size for source in self.uploads)


def upload(
    store: ObjectStore, sources: UploadSources, container: str, options: UploadOptions | None = None
) -> TransferReport:
    """
    Store *sources* in *container*, under the folder ``options.prefix``. One listing decides what has to be sent.

    :raises InvalidArgument: an argument is not valid, or a file has a name that no download could write; no request
        was sent.
    :raises NothingSelected: there is no file to upload, because a source holds none or the patterns select none, and
        ``options.allow_empty`` is False; no request was sent. A mapping of named files may always be empty.
    :raises StoreError: a file cannot be read or named, or is too large; then nothing was sent.
    """
    options = options or UploadOptions()
    selection = Selection.from_arguments(sources, container, options)
    if options.create_container:
        store.create_container(container)
    work = _compare_with_store(store, selection, options)
    with options.checksum_cache or ChecksumCache() as checksum_cache:
        uploader = _uploader(store, container, work.uploads, checksum_cache, options)
        uploader.upload(work.uploads)
        delete_stored_objects(store, container, work.deletions, uploader.pool)
    folders = tuple(sorted(result_folders(one.name for one in selection.files)))
    return TransferReport(uploader.files, uploader.bytes, len(uploader.unchanged), len(work.deletions), folders)


def plan_upload(
    store: ObjectStore, sources: UploadSources, container: str, options: UploadOptions | None = None
) -> UploadPlan:
    """Find out what `upload` with the same arguments would do; changes nothing and creates no container."""
    options = options or UploadOptions()
    selection = Selection.from_arguments(sources, container, options)
    creates_container = options.create_container and not _container_exists(store, container)
    work = _compare_with_store(store, selection, options, is_new=creates_container)
    with options.checksum_cache or ChecksumCache() as checksum_cache:
        uploader = _uploader(store, container, work.uploads, checksum_cache, options)
        uploader.compare(work.uploads)
    unchanged = {one.source.name for one in uploader.unchanged}
    changed = [one.source for one in work.uploads if one.source.name not in unchanged]
    changed.sort(key=lambda source: source.name)
    return UploadPlan(tuple(changed), len(unchanged), tuple(one.name for one in work.deletions), creates_container)


def download(
    store: ObjectStore, container: str, destination: Path, options: DownloadOptions | None = None
) -> TransferReport:
    """
    Fetch the objects under the folder ``options.prefix`` into the folder *destination*, which is created if missing.

    Files are named by the rest of the object's name. Files that are already there with the same size and MD5 are left
    as they are. Each file appears complete and verified.

    :raises InvalidArgument: an argument is not valid; no request was sent.
    :raises ObjectNotFound: there is nothing to fetch and ``options.allow_empty`` is False, or one of ``options.names``
        does not exist; nothing was fetched.
    :raises StoreError: a name would lead out of *destination*; nothing was fetched.
    :raises HostError: *destination* cannot be written, or its disk is full.
    """
    options = options or DownloadOptions()
    container, prefix = require_container_name(container), require_prefix(options.prefix)
    names = parse_object_names(options.names)
    listing = _without_excluded(list(store.list_objects(container, folder_prefix(prefix))), options.exclude_filter)
    planned = planned_downloads(listing, prefix, names)
    if missing := sorted(set(names or ()) - {one.stored.name for one in planned}):
        raise ObjectNotFound(f"There is no object {missing[0]!r} under {prefix!r} in container {container!r}")
    if not planned and not options.allow_empty and names is None:
        raise ObjectNotFound(
            f"There is nothing under {prefix!r} in container {container!r}. If that may be so, set allow_empty"
        )
    pool = _worker_pool([one.size for one in planned], options)
    with options.checksum_cache or ChecksumCache() as checksum_cache:
        root = ensure_folder(destination).resolve()
        downloader = Downloader(store, container, root, checksum_cache, pool, options.segment_size)
        downloader.download(planned)
    return TransferReport(downloader.files, downloader.bytes, downloader.unchanged)


def delete_objects(
    store: ObjectStore,
    container: str,
    *,
    prefix: str = "",
    names: Patterns = None,
    exclude_filter: ExcludeFilter | None = None,
) -> Sequence[str]:
    """
    Delete the objects under the folder *prefix*, or only *names* of them, with the segments of large objects.

    An object that does not exist is no error. The container itself stays.

    :param names: full names of the objects to delete; a text is one name.
    :param exclude_filter: selects objects that stay.
    :return: the names of the deleted objects.
    :raises InvalidArgument: an argument is not valid; no request was sent.
    """
    container, prefix = require_container_name(container), require_prefix(prefix)
    parsed_names = parse_object_names(names)
    only = None if parsed_names is None else set(parsed_names)
    folder = folder_prefix(prefix)
    common_prefix = (os.path.commonprefix(list(only)) if only else "") or folder  # noqa: RUF071
    found = [
        one
        for one in store.list_objects(container, common_prefix)
        if one.name.startswith(folder) and (only is None or one.name in only)
    ]
    found = _without_excluded(found, exclude_filter)
    delete_stored_objects(store, container, found)
    return [one.name for one in found]


@dataclass(frozen=True, slots=True)
class _UploadWork:
    """What follows from comparing the files of an upload with one listing of the container."""

    uploads: Sequence[PlannedUpload] = ()
    deletions: Sequence[StoredObject] = ()


def _container_exists(store: ObjectStore, container: str) -> bool:
    try:
        store.check(container)
    except ContainerNotFound:
        return False
    return True


def _compare_with_store(
    store: ObjectStore, selection: Selection, options: UploadOptions, *, is_new: bool = False
) -> _UploadWork:
    """Compare the files with the container; with *is_new*, it does not exist yet."""
    files, container, prefix = selection.files, selection.container, selection.prefix
    if is_new:
        uploads = planned_uploads(files, (), store.limits(), options.segment_size)
        _require_multipart_names(store, container, uploads)
        return _UploadWork(uploads)
    if not files and not options.delete:
        store.check(container)
        return _UploadWork()
    limits = store.limits()  # first: with the limits known, a listing detects its last page
    common_prefix = folder_prefix(prefix) if options.delete else os.path.commonprefix([one.name for one in files])  # noqa: RUF071
    listing = list(store.list_objects(container, common_prefix))
    uploads = planned_uploads(files, listing, limits, options.segment_size)
    _require_multipart_names(store, container, uploads)
    deletions: list[StoredObject] = []
    if options.delete:
        deletions = planned_deletions(files, listing, prefix, selection.include, selection.exclude)
    if deletions and _is_inside_results(store, container, prefix):
        deletions = []
    if deletions and not files:
        raise StoreError(
            f"There is no file to upload, and {len(deletions)} objects would be deleted: is the source "
            "the right one, and is its disk mounted? To delete them is another step"
        )
    return _UploadWork(uploads, deletions)


def _require_multipart_names(store: ObjectStore, container: str, uploads: Sequence[PlannedUpload]) -> None:
    for one in uploads:
        if one.segment_size:
            name, size = one.source.name, one.source.size
            store.require_multipart_name(container, name, size=size, part_size=one.segment_size)


def _uploader(
    store: ObjectStore,
    container: str,
    planned: Sequence[PlannedUpload],
    checksum_cache: ChecksumCache,
    options: UploadOptions,
) -> Uploader:
    checksum_cache.prefetch(one.source.file for one in planned)
    pool = _worker_pool([one.source.size for one in planned], options)
    return Uploader(store, container, checksum_cache, pool)


def _worker_pool(file_sizes: Sequence[int], options: TransferOptions) -> WorkerPool:
    return WorkerPool(ProgressTracker(sum(file_sizes), len(file_sizes), options.progress), options.threads)


def _without_excluded(found: list[StoredObject], exclude_filter: ExcludeFilter | None) -> list[StoredObject]:
    if exclude_filter is None:
        return found
    excluded = frozenset(exclude_filter([one.name for one in found]))
    return [one for one in found if one.name not in excluded]


def _is_inside_results(store: ObjectStore, container: str, prefix: str) -> bool:
    """Whether a folder above *prefix* holds results of a training; a listing of *prefix* does not show its marker."""
    above = prefix.strip("/").split("/")[:-1]
    folders = ["/".join(above[:depth]) for depth in range(1, len(above) + 1)]
    markers = [marker for one in folders for marker in (marker_name(one), f"{one}/learner-1/training-log.txt")]
    found = [one.name for marker in markers for one in islice(store.list_objects(container, marker), 1)]
    return not result_folders(found).isdisjoint(folders)
