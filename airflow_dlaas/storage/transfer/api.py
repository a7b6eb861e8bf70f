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
from airflow_dlaas.storage.segments import CUT
from airflow_dlaas.storage.sources.local import Source
from airflow_dlaas.storage.sources.patterns import Patterns, as_object_names
from airflow_dlaas.storage.transfer.checksum_cache import Known
from airflow_dlaas.storage.transfer.download import Downloading, folder
from airflow_dlaas.storage.transfer.plan import (
    Send,
    as_folder,
    deleting,
    fetching,
    require_names_of_segments,
    sending,
)
from airflow_dlaas.storage.transfer.selection import Selection, Sources
from airflow_dlaas.storage.transfer.upload import Uploading
from airflow_dlaas.storage.transfer.worker_pool import Crew, Progress, Tally, Watch

__all__ = ["Plan", "Progress", "Report", "Watch", "download", "plan_upload", "remove", "upload"]

LeaveOut = Callable[[Sequence[str]], Collection[str]]
"""Given the names of all objects found, returns those that are not fetched, or not deleted."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a transfer moved, how many files it found unchanged, and how many objects it deleted."""

    files: int
    bytes: int
    skipped: int
    deleted: int = 0
    results: tuple[str, ...] = ()
    """Folders of an upload that count as results of trainings (`contract.results`): no training has them as data."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upload would do; full names, in the order of the container."""

    send: tuple[Source, ...]
    unchanged: int
    delete: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes that would be sent; of a large file some may be there from an attempt that broke off."""
        return sum(source.size for source in self.send)


def upload(
    store: ObjectStore,
    sources: Sources,
    container: str,
    *,
    prefix: str = "",
    include: Patterns = None,
    exclude: Patterns = (),
    delete: bool = False,
    allow_empty: bool = False,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
    progress: Watch | None = None,
    create_container: bool = False,
) -> Report:
    """
    Store *sources* under the folder *prefix*. One listing decides what has to be sent.

    :param include: names and globs of those files that are meant, see `patterns.matches`; *exclude* wins over it.
        A text is one pattern.
    :param delete: afterwards delete what lies under *prefix* and is not among *sources*; see `plan.deleting` for
        what stays all the same. Nothing outside *prefix* is touched, and nothing at all where there are no sources.
    :param allow_empty: whether a source without any file, or patterns that select none, are accepted. Files given by
        name are the caller's choice: there, none are always accepted.
    :param known: MD5s of local files, so that those that did not change need not be read.
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
    selection = Selection.of(sources, container, prefix, include, exclude, allow_empty)
    if create_container:
        store.create_container(container)
    return _Job(store, selection, delete, known, threads, segment_size, progress).carry_out()


def plan_upload(
    store: ObjectStore,
    sources: Sources,
    container: str,
    *,
    prefix: str = "",
    include: Patterns = None,
    exclude: Patterns = (),
    delete: bool = False,
    allow_empty: bool = False,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
) -> Plan:
    """Find out what `upload` with the same arguments would do, and change nothing."""
    selection = Selection.of(sources, container, prefix, include, exclude, allow_empty)
    return _Job(store, selection, delete, known, threads, segment_size, None).plan()


def download(
    store: ObjectStore,
    container: str,
    destination: Path,
    *,
    prefix: str = "",
    names: Patterns = None,
    leave_out: LeaveOut | None = None,
    allow_empty: bool = False,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
    progress: Watch | None = None,
) -> Report:
    """
    Fetch what lies under the folder *prefix* into the folder *destination*, made if missing; all of it, or *names*.

    Files are named by the rest of the object's name; those that are there already with the same size and MD5 are
    left. Each appears complete and verified.

    :param names: objects to fetch, with their full names; a text is one name.
    :param leave_out: chooses objects under *prefix* that are not fetched.
    :param allow_empty: whether it is accepted that there is nothing to fetch: the report then has 0 files.
    :param segment_size: bytes of the stretches that an object in one piece, and larger than two, is fetched in.
    :raises InvalidArgument: an argument is not valid; no request was sent.
    :raises ObjectNotFound: there is nothing to fetch, or one of *names* is not there; nothing was fetched.
    :raises StoreError: a name would lead out of *destination*; nothing was fetched.
    :raises HostError: *destination* cannot be written, or has no room.
    """
    container, prefix = require_container_name(container), require_prefix(prefix)
    only = as_object_names(names)
    listing = list(store.list(container, as_folder(prefix)))
    if leave_out is not None:
        left = frozenset(leave_out([one.name for one in listing]))
        listing = [one for one in listing if one.name not in left]
    fetches = fetching(listing, prefix, only)
    if missing := sorted(set(only or ()) - {fetch.stored.name for fetch in fetches}):
        raise ObjectNotFound(f"There is no object {missing[0]!r} under {prefix!r} in container {container!r}")
    if not fetches and not allow_empty and only is None:
        raise ObjectNotFound(
            f"There is nothing under {prefix!r} in container {container!r}. If that may be so, set allow_empty"
        )
    tally = Tally(sum(fetch.size for fetch in fetches), len(fetches), progress)
    with known or Known() as memory:
        root = folder(destination).resolve()
        work = Downloading(store, container, root, memory, tally, Crew(tally, threads), segment_size)
        work.fetch(fetches)
    return Report(work.files, work.bytes, work.skipped)


def remove(
    store: ObjectStore,
    container: str,
    *,
    prefix: str = "",
    names: Patterns = None,
    leave_out: LeaveOut | None = None,
) -> Sequence[str]:
    """
    Delete what lies under the folder *prefix*, or of it only *names*, with the segments of large objects; their names.

    What is not there is no error. A container itself stays.

    :param names: objects to delete, with their full names; a text is one name.
    :param leave_out: chooses objects that stay.
    :raises InvalidArgument: an argument is not valid; no request was sent.
    """
    container, prefix = require_container_name(container), require_prefix(prefix)
    given = as_object_names(names)
    only = None if given is None else set(given)
    common = as_folder(prefix)
    if only:
        common = os.path.commonprefix(list(only)) or common  # noqa: RUF071
    found = [
        one
        for one in store.list(container, common)
        if one.name.startswith(as_folder(prefix)) and (only is None or one.name in only)
    ]
    if leave_out is not None:
        left = frozenset(leave_out([one.name for one in found]))
        found = [one for one in found if one.name not in left]
    tally = Tally(0, len(found), None)
    Uploading(store, container, Known(), tally, Crew(tally, None)).delete(found)
    return [one.name for one in found]


class _Job:
    """One upload: its files, the one listing, and what follows from comparing the two."""

    def __init__(
        self,
        store: ObjectStore,
        selection: Selection,
        delete: bool,
        known: Known | None,
        threads: int | None,
        segment_size: int,
        progress: Watch | None,
    ) -> None:
        self._known = known or Known()
        files, container, prefix = selection.files, selection.container, selection.prefix
        self.sends: list[Send] = []
        self.superfluous: list[StoredObject] = []
        if files or delete:
            common = as_folder(prefix) if delete else os.path.commonprefix([one.name for one in files])  # noqa: RUF071
            limits = store.limits()  # first: a listing then knows where it ends
            listing = list(store.list(container, common))
            self.sends = sending(files, listing, limits, segment_size)
            require_names_of_segments(self.sends, container)
            if delete:
                self.superfluous = deleting(files, listing, prefix, selection.include, selection.exclude)
            if self.superfluous and _inside_results(store, container, prefix):
                self.superfluous = []
            if self.superfluous and not files:
                raise StoreError(
                    f"There is no file to upload, and {len(self.superfluous)} objects would be deleted: is the source "
                    "the right one, and is its disk mounted? To delete them is another step"
                )
            self._known.recall(one.origin for one in files)
        else:
            store.check(container)
        self._results = tuple(sorted(result_folders(one.name for one in files)))
        tally = Tally(sum(send.source.size for send in self.sends), len(self.sends), progress)
        self._work = Uploading(store, container, self._known, tally, Crew(tally, threads))

    def carry_out(self) -> Report:
        with self._known:
            self._work.send(self.sends)
            self._work.delete(self.superfluous)
        work, deleted = self._work, len(self.superfluous)
        return Report(work.files, work.bytes, len(work.skipped), deleted, self._results)

    def plan(self) -> Plan:
        with self._known:
            self._work.compare(self.sends)
        same = {send.source.name for send in self._work.skipped}
        changed = sorted((s.source for s in self.sends if s.source.name not in same), key=lambda source: source.name)
        return Plan(tuple(changed), len(same), tuple(one.name for one in self.superfluous))


def _inside_results(store: ObjectStore, container: str, prefix: str) -> bool:
    """Whether the folder *prefix* lies in a folder of results; the listing below *prefix* does not show its marker."""
    above = prefix.strip("/").split("/")[:-1]
    folders = ["/".join(above[:depth]) for depth in range(1, len(above) + 1)]
    signs = [sign for one in folders for sign in (marker_name(one), f"{one}/learner-1/training-log.txt")]
    found = [one.name for sign in signs for one in islice(store.list(container, sign), 1)]
    return not result_folders(found).isdisjoint(folders)
