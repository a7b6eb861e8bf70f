"""
Whole folders to and from a container: planned, then carried out, several files at a time, every byte verified.

What is unchanged is not moved. The first failure ends the whole; what has arrived until then stays and is skipped by
the next attempt, which takes up a large file where it broke off.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_dlaas.errors import ObjectNotFound, StoreError
from airflow_dlaas.storage.crew import Crew, Progress, Tally, Watch
from airflow_dlaas.storage.downloading import Downloading, folder
from airflow_dlaas.storage.known import Known
from airflow_dlaas.storage.objects import ObjectStore, StoredObject
from airflow_dlaas.storage.plan import Send, as_folder, deleting, fetching, sending
from airflow_dlaas.storage.segments import CUT
from airflow_dlaas.storage.sources import Source, local, named
from airflow_dlaas.storage.uploading import Uploading

__all__ = ["Plan", "Progress", "Report", "Watch", "download", "plan_upload", "remove", "upload"]

Sources = Path | str | Mapping[str, Path] | Sequence[Source]
"""A file, a folder or a glob on this machine; files by the names given; or what somebody has found already."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a transfer moved, how many files it found unchanged, and how many objects it deleted."""

    files: int
    bytes: int
    skipped: int
    deleted: int = 0


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
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    delete: bool = False,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
    progress: Watch | None = None,
) -> Report:
    """
    Store *sources* under the folder *prefix*. One listing decides what has to be sent.

    :param include: names and globs of those files that are meant, see `patterns.matches`; *exclude* wins over it.
    :param delete: afterwards delete what lies under *prefix* and is not among *sources*; see `plan.deleting` for
        what stays all the same. Nothing outside *prefix* is touched, and nothing at all where there are no sources.
    :param known: MD5s of local files, so that those that did not change need not be read.
    :param threads: how many files, or segments of large ones, at a time; None finds a good number.
    :param segment_size: bytes of each; a file of more than two is large. The next upload takes up a broken one, or
        finds it unchanged without reading the store's list of segments, if it has the same.
    :raises StoreError: a file cannot be read or named, or is too large; then nothing was sent.
    """
    job = _Job(store, sources, container, prefix, include, exclude, delete, known, threads, segment_size, progress)
    return job.carry_out()


def plan_upload(
    store: ObjectStore,
    sources: Sources,
    container: str,
    *,
    prefix: str = "",
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    delete: bool = False,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
) -> Plan:
    """Find out what `upload` with the same arguments would do, and change nothing."""
    job = _Job(store, sources, container, prefix, include, exclude, delete, known, threads, segment_size, None)
    return job.plan()


def download(
    store: ObjectStore,
    container: str,
    destination: Path,
    *,
    prefix: str = "",
    names: Iterable[str] | None = None,
    known: Known | None = None,
    threads: int | None = None,
    segment_size: int = CUT,
    progress: Watch | None = None,
) -> Report:
    """
    Fetch what lies under the folder *prefix* into the folder *destination*, made if missing; all of it, or *names*.

    Files are named by the rest of the object's name; those that are there already with the same size and MD5 are
    left. Each appears complete and verified. Nothing under *prefix* is no error: the report says 0 files.

    :param names: objects to fetch, with their full names.
    :param segment_size: bytes of the stretches that an object in one piece, and larger than two, is fetched in.
    :raises ObjectNotFound: one of *names* is not there; nothing was fetched.
    :raises StoreError: a name would lead out of *destination*; nothing was fetched.
    :raises HostError: *destination* cannot be written, or has no room.
    """
    only = None if names is None else list(names)
    fetches = fetching(store.list(container, as_folder(prefix)), prefix, only)
    if missing := sorted(set(only or ()) - {fetch.stored.name for fetch in fetches}):
        raise ObjectNotFound(f"There is no object {missing[0]!r} under {prefix!r} in container {container!r}")
    tally = Tally(sum(fetch.size for fetch in fetches), len(fetches), progress)
    with known or Known() as memory:
        root = folder(destination).resolve()
        work = Downloading(store, container, root, memory, tally, Crew(tally, threads), segment_size)
        work.fetch(fetches)
    return Report(work.files, work.bytes, work.skipped)


def remove(
    store: ObjectStore, container: str, *, prefix: str = "", names: Iterable[str] | None = None
) -> Sequence[str]:
    """
    Delete what lies under the folder *prefix*, or of it only *names*, with the segments of large objects; their names.

    What is not there is no error. A container itself stays.
    """
    only = None if names is None else set(names)
    common = as_folder(prefix)
    if only:
        common = os.path.commonprefix(list(only)) or common  # noqa: RUF071
    found = [
        one
        for one in store.list(container, common)
        if one.name.startswith(as_folder(prefix)) and (only is None or one.name in only)
    ]
    tally = Tally(0, len(found), None)
    Uploading(store, container, Known(), tally, Crew(tally, None)).delete(found)
    return [one.name for one in found]


class _Job:
    """One upload: its files, the one listing, and what follows from comparing the two."""

    def __init__(
        self,
        store: ObjectStore,
        sources: Sources,
        container: str,
        prefix: str,
        include: Sequence[str] | None,
        exclude: Sequence[str],
        delete: bool,
        known: Known | None,
        threads: int | None,
        segment_size: int,
        progress: Watch | None,
    ) -> None:
        self._known = known or Known()
        files = [replace(one, name=as_folder(prefix) + one.name) for one in _found(sources, include, exclude)]
        self.sends: list[Send] = []
        self.superfluous: list[StoredObject] = []
        if files or delete:
            common = as_folder(prefix) if delete else os.path.commonprefix([one.name for one in files])  # noqa: RUF071
            limits = store.limits()  # first: a listing then knows where it ends
            listing = list(store.list(container, common))
            self.sends = sending(files, listing, limits, segment_size)
            self.superfluous = deleting(files, listing, prefix, include, exclude) if delete else []
            if self.superfluous and not files:
                raise StoreError(
                    f"There is no file to upload, and {len(self.superfluous)} objects would be deleted: is the source "
                    "the right one, and is its disk mounted? To delete them is another step"
                )
            self._known.recall(one.origin for one in files)
        else:
            store.check(container)
        tally = Tally(sum(send.source.size for send in self.sends), len(self.sends), progress)
        self._work = Uploading(store, container, self._known, tally, Crew(tally, threads))

    def carry_out(self) -> Report:
        with self._known:
            self._work.send(self.sends)
            self._work.delete(self.superfluous)
        return Report(self._work.files, self._work.bytes, len(self._work.skipped), len(self.superfluous))

    def plan(self) -> Plan:
        with self._known:
            self._work.compare(self.sends)
        same = {send.source.name for send in self._work.skipped}
        changed = sorted((s.source for s in self.sends if s.source.name not in same), key=lambda source: source.name)
        return Plan(tuple(changed), len(same), tuple(one.name for one in self.superfluous))


def _found(sources: Sources, include: Sequence[str] | None, exclude: Sequence[str]) -> Sequence[Source]:
    if isinstance(sources, (str, Path)):
        return local(sources, include, exclude)
    return named(sources) if isinstance(sources, Mapping) else sources
