"""
What to send and what to fetch, decided before the first byte moves. No I/O.

Both plans refuse as a whole: a name that cannot be placed is found before anything was changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airflow_dlaas.errors import StoreError
from airflow_dlaas.storage.objects import StoredObject

LARGEST = 5 * 1024**3
"""Bytes of the largest object Swift takes in one piece (its default ``max_file_size``)."""

LONGEST_NAME = 1024
"""Bytes of an object's name in UTF-8 (Swift's default ``max_object_name_length``)."""

LONGEST_STEP = 255
"""Bytes of a file's name, on every file system in use."""


@dataclass(frozen=True)
class Source:
    """A file to store, and the name to store it under."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True)
class Send:
    """One file to store; not when its MD5 is *unless*, the one of the object of the same size that is already there."""

    source: Source
    unless: str | None


@dataclass(frozen=True)
class Fetch:
    """One object to fetch, and its place below the destination."""

    name: str
    place: PurePosixPath
    size: int
    md5: str | None


def as_folder(prefix: str) -> str:
    """*prefix* with the slash that ends the name of a folder; nothing stays nothing."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def sending(sources: Iterable[Source], stored: Iterable[StoredObject]) -> list[Send]:
    """
    Compare *sources* with one listing: what is missing or may have changed, the largest first.

    :raises StoreError: two files would get the same name, a name cannot be one of an object, a file is too large.
    """
    named: dict[str, Source] = {}
    for source in sources:
        _check_source(source)
        other = named.setdefault(source.name, source)
        if other is not source:
            raise StoreError(f"{other.path} and {source.path} would both be stored as {source.name!r}")
    there = {one.name: one for one in stored if one.name in named}
    sends = []
    for name, source in named.items():
        known = there.get(name)
        same_size = known is not None and known.size == source.size
        sends.append(Send(source, known.md5 if known is not None and same_size else None))
    return sorted(sends, key=lambda send: -send.source.size)


def fetching(stored: Iterable[StoredObject], prefix: str = "", names: Iterable[str] | None = None) -> list[Fetch]:
    """
    Place what lies under the folder *prefix* (or of it only *names*, in full), the largest first.

    Objects that only mark folders are left out.

    :raises StoreError: a name would lead out of the destination, or two objects contend for one place.
    """
    folder = as_folder(prefix)
    wanted = None if names is None else set(names)
    fetches: dict[PurePosixPath, Fetch] = {}
    for one in stored:
        if one.folder or not one.name.startswith(folder) or (wanted is not None and one.name not in wanted):
            continue
        place = _place(one.name, folder)
        fetches[place] = Fetch(one.name, place, one.size, one.md5)
    for place, fetch in fetches.items():
        for above in place.parents:
            if above in fetches:
                raise StoreError(
                    f"{fetches[above].name!r} and {fetch.name!r} are both stored, but on disk the first would have to "
                    "be a file and a folder at once: rename or delete one of them"
                )
    return sorted(fetches.values(), key=lambda fetch: -fetch.size)


def _check_source(source: Source) -> None:
    try:
        length = len(source.name.encode())
    except UnicodeEncodeError:
        raise StoreError(f"{source.path!r} cannot be stored: its name is not UTF-8, rename the file") from None
    if not 0 < length <= LONGEST_NAME:
        raise StoreError(
            f"{source.path} cannot be stored: its name there would be {length} bytes long, "
            f"and {LONGEST_NAME} are the most. Shorten the prefix or the folders' names"
        )
    if source.size > LARGEST:
        raise StoreError(
            f"{source.path} is {source.size / 1024**3:.1f} GiB; an object holds {LARGEST / 1024**3:.0f} GiB at most. "
            "Split the file, training data may be in any number of files"
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
