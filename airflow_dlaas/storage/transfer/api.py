"""
Whole folders to and from a container: planned, then carried out, several files at a time, every byte verified.

What is unchanged is not moved. The first failure ends the whole; what has arrived until then stays and is skipped by
the next attempt, which takes up a large file where it broke off.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from airflow_dlaas.contract.results import marker_name, result_folders
from airflow_dlaas.contract.store_names import require_container_name, require_prefix
from airflow_dlaas.exceptions import ObjectNotFound, StoreError
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.sources.local import Source
from airflow_dlaas.storage.sources.patterns import Patterns, parse_object_names
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.download import Downloader, ensure_folder
from airflow_dlaas.storage.transfer.plan import (
    PlannedUpload,
    folder_prefix,
    planned_deletions,
    planned_downloads,
    planned_uploads,
    require_valid_segment_names,
)
from airflow_dlaas.storage.transfer.selection import Selection, UploadSources
from airflow_dlaas.storage.transfer.upload import Uploader
from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback, ProgressTracker, WorkerPool

__all__ = [
    "Progress",
    "ProgressCallback",
    "TransferReport",
    "UploadPlan",
    "delete_objects",
    "download",
    "plan_upload",
    "upload",
]

ExcludeFilter = Callable[[Sequence[str]], Collection[str]]
"""Given the names of all objects found, returns those that are not fetched, or not deleted."""


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What a transfer moved, how many files it found unchanged, and how many objects it deleted."""

    files: int
    bytes: int
    unchanged: int
    deleted: int = 0
    result_folders: tuple[str, ...] = ()
    """Folders of an upload that count as results of trainings (`contract.results`): no training has them as data."""


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What an upload would do; full names, in the order of the container."""

    uploads: tuple[Source, ...]
    unchanged: int
    deletions: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes that would be sent; of a large file some may be there from an attempt that broke off."""
        return sum(source.size for source in self.uploads)


def upload(
    store: ObjectStore,
    sources: UploadSources,
    container: str,
    *,
    prefix: str = "",
    include: Patterns = None,
    exclude: Patterns = (),
    delete: bool = False,
    allow_empty: bool = False,
    checksum_cache: ChecksumCache | None = None,
    threads: int | None = None,
    segment_size: int = DEFAULT_SEGMENT_SIZE,
    progress: ProgressCallback | None = None,
    create_container: bool = False,
) -> TransferReport:
    """
    Store *sources* under the folder *prefix*. One listing decides what has to be sent.

    :param include: names and globs of those files that are meant, see `patterns.matches`; *exclude* wins over it.
        A text is one pattern.
    :param deletions: afterwards delete what lies under *prefix* and is not among *sources*; see `plan.deleting` for
        what stays all the same. Nothing outside *prefix* is touched, and nothing at all where there are no sources.
    :param allow_empty: whether a source without any file, or patterns that select none, are accepted. Files given by
        name are the caller's choice: there, none are always accepted.
    :param checksum_cache: MD5s of local files, so that those that did not change need not be read.
    :param threads: how many files, or segments of large ones, at a time; None finds a good number.
    :param segment_size: bytes of each; a file of more than two is large. The next upload takes up a broken one, or
        finds it unchanged without reading the store's list of segments, if it has the same.
    :param create_container: make the container if it is missing, once the arguments and the sources are known to be
        right.
    :raises InvalidArgument: an argument is not valid, or a file has a name that no download could write; no request
        was sent.
    :raises NothingSelected: there is no file to send; no request was sent.
    :raises StoreError: a file cannot be read or named, or is too large; then nothing was sent.
    """
    selection = Selection.from_arguments(sources, container, prefix, include, exclude, allow_empty)
    if create_container:
        store.create_container(container)
    return _UploadRun(store, selection, delete, checksum_cache, threads, segment_size, progress).run()


def plan_upload(
    store: ObjectStore,
    sources: UploadSources,
    container: str,
    *,
    prefix: str = "",
    include: Patterns = None,
    exclude: Patterns = (),
    delete: bool = False,
    allow_empty: bool = False,
    checksum_cache: ChecksumCache | None = None,
    threads: int | None = None,
    segment_size: int = DEFAULT_SEGMENT_SIZE,
) -> UploadPlan:
    """Find out what `upload` with the same arguments would do, and change nothing."""
    selection = Selection.from_arguments(sources, container, prefix, include, exclude, allow_empty)
    return _UploadRun(store, selection, delete, checksum_cache, threads, segment_size, None).plan()


def download(
    store: ObjectStore,
    container: str,
    destination: Path,
    *,
    prefix: str = "",
    names: Patterns = None,
    exclude_filter: ExcludeFilter | None = None,
    allow_empty: bool = False,
    checksum_cache: ChecksumCache | None = None,
    threads: int | None = None,
    segment_size: int = DEFAULT_SEGMENT_SIZE,
    progress: ProgressCallback | None = None,
) -> TransferReport:
    """
    Fetch what lies under the folder *prefix* into the folder *destination*, made if missing; all of it, or *names*.

    Files are named by the rest of the object's name; those that are there already with the same size and MD5 are
    left. Each appears complete and verified.

    :param names: objects to fetch, with their full names; a text is one name.
    :param exclude_filter: chooses objects under *prefix* that are not fetched.
    :param allow_empty: whether it is accepted that there is nothing to fetch: the report then has 0 files.
    :param segment_size: bytes of the stretches that an object in one piece, and larger than two, is fetched in.
    :raises InvalidArgument: an argument is not valid; no request was sent.
    :raises ObjectNotFound: there is nothing to fetch, or one of *names* is not there; nothing was fetched.
    :raises StoreError: a name would lead out of *destination*; nothing was fetched.
    :raises HostError: *destination* cannot be written, or has no room.
    """
    container, prefix = require_container_name(container), require_prefix(prefix)
    only = parse_object_names(names)
    listing = list(store.list_objects(container, folder_prefix(prefix)))
    if exclude_filter is not None:
        left = frozenset(exclude_filter([one.name for one in listing]))
        listing = [one for one in listing if one.name not in left]
    fetches = planned_downloads(listing, prefix, only)
    if missing := sorted(set(only or ()) - {fetch.stored.name for fetch in fetches}):
        raise ObjectNotFound(f"There is no object {missing[0]!r} under {prefix!r} in container {container!r}")
    if not fetches and not allow_empty and only is None:
        raise ObjectNotFound(
            f"There is nothing under {prefix!r} in container {container!r}. If that may be so, set allow_empty"
        )
    tally = ProgressTracker(sum(fetch.size for fetch in fetches), len(fetches), progress)
    with checksum_cache or ChecksumCache() as memory:
        root = ensure_folder(destination).resolve()
        work = Downloader(store, container, root, memory, tally, WorkerPool(tally, threads), segment_size)
        work.download(fetches)
    return TransferReport(work.files, work.bytes, work.unchanged)


def delete_objects(
    store: ObjectStore,
    container: str,
    *,
    prefix: str = "",
    names: Patterns = None,
    exclude_filter: ExcludeFilter | None = None,
) -> Sequence[str]:
    """
    Delete what lies under the folder *prefix*, or of it only *names*, with the segments of large objects; their names.

    What is not there is no error. A container itself stays.

    :param names: objects to delete, with their full names; a text is one name.
    :param exclude_filter: chooses objects that stay.
    :raises InvalidArgument: an argument is not valid; no request was sent.
    """
    container, prefix = require_container_name(container), require_prefix(prefix)
    given = parse_object_names(names)
    only = None if given is None else set(given)
    common = folder_prefix(prefix)
    if only:
        common = os.path.commonprefix(list(only)) or common  # noqa: RUF071
    found = [
        one
        for one in store.list_objects(container, common)
        if one.name.startswith(folder_prefix(prefix)) and (only is None or one.name in only)
    ]
    if exclude_filter is not None:
        left = frozenset(exclude_filter([one.name for one in found]))
        found = [one for one in found if one.name not in left]
    tally = ProgressTracker(0, len(found), None)
    Uploader(store, container, ChecksumCache(), tally, WorkerPool(tally, None)).delete(found)
    return [one.name for one in found]


class _UploadRun:
    """One upload: its files, the one listing, and what follows from comparing the two."""

    def __init__(
        self,
        store: ObjectStore,
        selection: Selection,
        delete: bool,
        checksum_cache: ChecksumCache | None,
        threads: int | None,
        segment_size: int,
        progress: ProgressCallback | None,
    ) -> None:
        self._checksum_cache = checksum_cache or ChecksumCache()
        files, container, prefix = selection.files, selection.container, selection.prefix
        self.planned: list[PlannedUpload] = []
        self.objects_to_delete: list[StoredObject] = []
        if files or delete:
            common = folder_prefix(prefix) if delete else os.path.commonprefix([one.name for one in files])  # noqa: RUF071
            limits = store.limits()  # first: a listing then knows where it ends
            listing = list(store.list_objects(container, common))
            self.planned = planned_uploads(files, listing, limits, segment_size)
            require_valid_segment_names(self.planned, container)
            if delete:
                self.objects_to_delete = planned_deletions(files, listing, prefix, selection.include, selection.exclude)
            if self.objects_to_delete and _is_inside_results(store, container, prefix):
                self.objects_to_delete = []
            if self.objects_to_delete and not files:
                raise StoreError(
                    f"There is no file to upload, and {len(self.objects_to_delete)} objects would be deleted: is the source "
                    "the right one, and is its disk mounted? To delete them is another step"
                )
            self._checksum_cache.prefetch(one.file for one in files)
        else:
            store.check(container)
        self._result_folders = tuple(sorted(result_folders(one.name for one in files)))
        tally = ProgressTracker(sum(send.source.size for send in self.planned), len(self.planned), progress)
        self._uploader = Uploader(store, container, self._checksum_cache, tally, WorkerPool(tally, threads))

    def run(self) -> TransferReport:
        with self._checksum_cache:
            self._uploader.upload(self.planned)
            self._uploader.delete(self.objects_to_delete)
        work, deleted = self._uploader, len(self.objects_to_delete)
        return TransferReport(work.files, work.bytes, len(work.unchanged), deleted, self._result_folders)

    def plan(self) -> UploadPlan:
        with self._checksum_cache:
            self._uploader.compare(self.planned)
        same = {send.source.name for send in self._uploader.unchanged}
        changed = sorted((s.source for s in self.planned if s.source.name not in same), key=lambda source: source.name)
        return UploadPlan(tuple(changed), len(same), tuple(one.name for one in self.objects_to_delete))


def _is_inside_results(store: ObjectStore, container: str, prefix: str) -> bool:
    """Whether the folder *prefix* lies in a folder of results; the listing below *prefix* does not show its marker."""
    above = prefix.strip("/").split("/")[:-1]
    folders = ["/".join(above[:depth]) for depth in range(1, len(above) + 1)]
    signs = [sign for one in folders for sign in (marker_name(one), f"{one}/learner-1/training-log.txt")]
    found = [one.name for sign in signs for one in islice(store.list_objects(container, sign), 1)]
    return not result_folders(found).isdisjoint(folders)
