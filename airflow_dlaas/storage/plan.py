"""
What to send, to fetch and to delete, decided before the first byte moves. No I/O.

Every plan refuses as a whole: a name that cannot be placed is found before anything was changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from airflow_dlaas.contract.results import is_result
from airflow_dlaas.errors import StoreError
from airflow_dlaas.storage.objects import Limits, StoredObject
from airflow_dlaas.storage.patterns import wanted
from airflow_dlaas.storage.segments import CUT, cut_for, is_large, largest
from airflow_dlaas.storage.sources import Source

LONGEST_NAME = 1024
"""Bytes of an object's name in UTF-8 (Swift's default ``max_object_name_length``)."""

LONGEST_STEP = 255
"""Bytes of a file's name, on every file system in use."""

HELD = 16 * 1024**2
"""Bytes of a file elsewhere that are held in memory, to know their MD5 before they are sent."""


@dataclass(frozen=True, slots=True)
class Send:
    """One file to store, unless it is what is stored already."""

    source: Source
    stored: StoredObject | None
    """What there is under its name now."""
    cut: int
    """Bytes of each segment it is sent in; 0 for one piece."""

    @property
    def same_size(self) -> bool:
        """Whether only the content tells if it has changed."""
        return self.stored is not None and self.stored.size == self.source.size


@dataclass(frozen=True, slots=True)
class Fetch:
    """One object to fetch, and its place below the destination."""

    place: PurePosixPath
    stored: StoredObject

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stored.size


def as_folder(prefix: str) -> str:
    """*prefix* with the slash that ends the name of a folder; nothing stays nothing."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def sending(
    sources: Iterable[Source], stored: Iterable[StoredObject], limits: Limits, segment_size: int = CUT
) -> list[Send]:
    """
    Compare *sources* with one listing: how each is to be sent if it has changed, the largest first.

    :raises StoreError: two files would get the same name, a name cannot be one of an object, a file is too large.
    """
    by_name: dict[str, Source] = {}
    for source in sources:
        _check_source(source, limits)
        other = by_name.setdefault(source.name, source)
        if other is not source:
            raise StoreError(f"{other.origin.place} and {source.origin.place} would both be stored as {source.name!r}")
    there = {one.name: one for one in stored if one.name in by_name}
    sends = [Send(source, there.get(name), _cut(source, limits, segment_size)) for name, source in by_name.items()]
    return sorted(sends, key=lambda send: -send.source.size)


def _cut(source: Source, limits: Limits, segment_size: int) -> int:
    # What is elsewhere is read once, so its MD5 is known when it has been sent: as segments that nobody sees yet.
    large = is_large(source.size, segment_size) or (not source.origin.near and source.size > HELD)
    return cut_for(source.size, limits, segment_size) if large else 0


def deleting(
    sources: Iterable[Source],
    stored: Iterable[StoredObject],
    prefix: str,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
) -> list[StoredObject]:
    """
    Say which objects under the folder *prefix* are no longer among *sources*.

    What *include* and *exclude* leave out of an upload they leave in the store too. So stay the results of trainings,
    which lie in the same container when a definition names no other, and objects that only mark folders.
    """
    folder = as_folder(prefix)
    here = {source.name for source in sources}
    return [
        one
        for one in stored
        if one.name.startswith(folder)
        and one.name not in here
        and not one.folder
        and not is_result(one.name)
        and wanted(one.name[len(folder) :], include, exclude)
    ]


def fetching(stored: Iterable[StoredObject], prefix: str = "", names: Iterable[str] | None = None) -> list[Fetch]:
    """
    Place what lies under the folder *prefix* (or of it only *names*, in full), the largest first.

    Objects that only mark folders are left out.

    :raises StoreError: a name would lead out of the destination, or two objects contend for one place.
    """
    folder = as_folder(prefix)
    only = None if names is None else set(names)
    fetches: dict[PurePosixPath, Fetch] = {}
    for one in stored:
        if one.folder or not one.name.startswith(folder) or (only is not None and one.name not in only):
            continue
        place = _place(one.name, folder)
        fetches[place] = Fetch(place, one)
    for place, fetch in fetches.items():
        for above in place.parents:
            if above in fetches:
                raise StoreError(
                    f"{fetches[above].stored.name!r} and {fetch.stored.name!r} are both stored, but on disk the first "
                    "would have to be a file and a folder at once: rename or delete one of them"
                )
    return sorted(fetches.values(), key=lambda fetch: -fetch.size)


def _check_source(source: Source, limits: Limits) -> None:
    place = source.origin.place
    try:
        length = len(source.name.encode())
    except UnicodeEncodeError:
        raise StoreError(f"{place!r} cannot be stored: its name is not UTF-8, rename the file") from None
    if not 0 < length <= LONGEST_NAME:
        raise StoreError(
            f"{place} cannot be stored: its name there would be {length} bytes long, "
            f"and {LONGEST_NAME} are the most. Shorten the prefix or the folders' names"
        )
    if source.size > largest(limits):
        raise StoreError(
            f"{place} is {source.size / 1024**3:.1f} GiB; this object store takes {largest(limits) / 1024**3:.0f} GiB "
            "at most. Split the file, training data may be in any number of files"
        )


def _place(name: str, folder: str) -> PurePosixPath:
    rest = name[len(folder) :]
    steps = rest.split("/")
    if any(step in {"", ".", ".."} or "\0" in step for step in steps):
        raise StoreError(
            f"The object {name!r} is not fetched: its name does not lead to a file below the destination. "
            "Rename it in the store, or name the objects that are wanted"
        )
    if any(len(step.encode()) > LONGEST_STEP for step in steps):
        raise StoreError(f"The object {name!r} is not fetched: no file can have a name as long as that")
    return PurePosixPath(rest)
