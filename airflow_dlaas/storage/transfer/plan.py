"""
What to send, to fetch and to delete, decided before the first byte moves. No I/O.

Every plan refuses as a whole: a name that cannot be placed is found before anything was changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from airflow_dlaas.contract.results import enclosing_folder, result_folders
from airflow_dlaas.contract.store_names import (
    MAX_OBJECT_NAME_BYTES,
    container_name_problem,
    path_problem,
    require_new_object_name,
)
from airflow_dlaas.exceptions import InvalidName, StoreError
from airflow_dlaas.storage.object_store import StoredObject, StoreLimits
from airflow_dlaas.storage.segments import (
    DEFAULT_SEGMENT_SIZE,
    is_large,
    max_file_size,
    segment_container,
    segment_name,
    segment_size_for,
)
from airflow_dlaas.storage.sources.local import Source
from airflow_dlaas.storage.sources.patterns import Patterns, is_selected, parse_patterns

MAX_NAMES_SHOWN = 5
"""Objects that an error names; a number stands for those beyond."""

MAX_REMOTE_BUFFER = 16 * 1024**2
"""Bytes of a file elsewhere that are held in memory, to know their MD5 before they are sent."""


@dataclass(frozen=True, slots=True)
class PlannedUpload:
    """One file to store, unless it is what is stored already."""

    source: Source
    stored: StoredObject | None
    """What there is under its name now."""
    segment_size: int
    """Bytes of each segment it is sent in; 0 for one piece."""

    @property
    def has_same_size(self) -> bool:
        """Whether only the content tells if it has changed."""
        return self.stored is not None and self.stored.size == self.source.size


@dataclass(frozen=True, slots=True)
class PlannedDownload:
    """One object to fetch, and its place below the destination."""

    relative_path: PurePosixPath
    stored: StoredObject

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stored.size


def folder_prefix(prefix: str) -> str:
    """*prefix* with the slash that ends the name of a folder; nothing stays nothing."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def require_valid_names(sources: Iterable[Source]) -> None:
    """
    Check the names that *sources* would have in the store, by the rules that `planned_downloads` has for a download.

    :raises InvalidName: one cannot be the name of an object, or no download could write it as a file.
    :raises StoreError: one would be a file and a folder at once.
    """
    names: set[str] = set()
    for source in sources:
        try:
            names.add(require_new_object_name(source.name))
            if source.name.endswith("/"):
                raise InvalidName(f"name: {source.name!r} ends with a slash")
        except InvalidName as error:  # noqa: PERF203  (which file it is has to be named)
            raise InvalidName(
                f"{source.file.location!r} cannot be stored. {error}. Rename the file, or change the prefix"
            ) from None
    if conflict := _find_name_conflict(names):
        file, below = conflict
        raise StoreError(
            f"{file!r} and {below!r} would both be stored, but a download could not write the first as a file and as a "
            "folder at once: rename one of them"
        )


def planned_uploads(
    sources: Iterable[Source],
    stored: Iterable[StoredObject],
    limits: StoreLimits,
    segment_size: int = DEFAULT_SEGMENT_SIZE,
) -> list[PlannedUpload]:
    """
    Compare *sources* with one listing: how each is to be sent if it has changed, the largest first.

    :raises StoreError: two files would get the same name, a file is too large.
    """
    by_name: dict[str, Source] = {}
    for source in sources:
        _require_storable_size(source, limits)
        other = by_name.setdefault(source.name, source)
        if other is not source:
            raise StoreError(
                f"{other.file.location} and {source.file.location} would both be stored as {source.name!r}"
            )
    there = {one.name: one for one in stored if one.name in by_name}
    sends = [
        PlannedUpload(source, there.get(name), _choose_segment_size(source, limits, segment_size))
        for name, source in by_name.items()
    ]
    return sorted(sends, key=lambda send: -send.source.size)


def _choose_segment_size(source: Source, limits: StoreLimits, segment_size: int) -> int:
    # What is elsewhere is read once, so its MD5 is known when it has been sent: as segments that nobody sees yet.
    large = is_large(source.size, segment_size) or (not source.file.is_local and source.size > MAX_REMOTE_BUFFER)
    return segment_size_for(source.size, limits, segment_size) if large else 0


def planned_deletions(
    sources: Iterable[Source],
    stored: Iterable[StoredObject],
    prefix: str,
    include: Patterns = None,
    exclude: Patterns = (),
) -> list[StoredObject]:
    """
    Say which objects under the folder *prefix* are no longer among *sources*.

    What *include* and *exclude* leave out of an upload they leave in the store too. So stay the results of trainings,
    which lie in the same container when a definition names no other, and objects that only mark folders.
    """
    folder = folder_prefix(prefix)
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    stored = list(stored)
    results = result_folders(one.name for one in stored)
    here = {source.name for source in sources}
    return [
        one
        for one in stored
        if one.name.startswith(folder)
        and one.name not in here
        and not one.is_folder_marker
        and enclosing_folder(one.name, results) is None
        and is_selected(one.name[len(folder) :], included, excluded)
    ]


def planned_downloads(
    stored: Iterable[StoredObject], prefix: str = "", names: Iterable[str] | None = None
) -> list[PlannedDownload]:
    """
    Place what lies under the folder *prefix* (or of it only *names*, in full), the largest first.

    Objects that only mark folders are left out.

    :raises StoreError: names that do not lead to a file below the destination, each with the reason, or two objects
        of which one would have to be a file and a folder at once.
    """
    folder = folder_prefix(prefix)
    only = None if names is None else set(names)
    fetches: dict[str, PlannedDownload] = {}
    problems: list[str] = []
    for one in stored:
        if one.is_folder_marker or not one.name.startswith(folder) or (only is not None and one.name not in only):
            continue
        rest = one.name[len(folder) :]
        if problem := path_problem(rest):
            problems.append(f"{one.name!r} ({'it' if rest == one.name else repr(rest)} {problem})")
            continue
        fetches[one.name] = PlannedDownload(PurePosixPath(rest), one)
    if problems:
        more = f" and {len(problems) - MAX_NAMES_SHOWN} more" if len(problems) > MAX_NAMES_SHOWN else ""
        raise StoreError(
            f"Nothing is fetched, because these objects have names that do not lead to a file below the destination: "
            f"{', '.join(problems[:MAX_NAMES_SHOWN])}{more}. Rename them in the store, or name the objects that are wanted"
        )
    if conflict := _find_name_conflict(fetches):
        file, below = conflict
        raise StoreError(
            f"{file!r} and {below!r} are both stored, but on disk the first would have to be a file and a folder at "
            "once: rename or delete one of them"
        )
    return sorted(fetches.values(), key=lambda fetch: -fetch.size)


def require_valid_segment_names(planned: Iterable[PlannedUpload], container: str) -> None:
    """
    Check that what is sent in segments has valid names for them too.

    :raises InvalidName: the name of the container, or of an object, leaves no room for what is added to it.
    """
    for send in planned:
        if not send.segment_size:
            continue
        source = send.source
        problem = container_name_problem(segment_container(container))
        if problem:
            raise InvalidName(
                f"container: {source.name!r} is large and would be sent in segments, but the name of their container, "
                f"{segment_container(container)!r}, {problem}: choose a shorter name"
            )
        length = len(segment_name(source.name, source.size, send.segment_size, "0" * 16, 0).encode())
        if length > MAX_OBJECT_NAME_BYTES:
            raise InvalidName(
                f"name: {source.file.location} is large and would be sent in segments, whose names would be {length} "
                f"bytes long, more than {MAX_OBJECT_NAME_BYTES}: shorten the prefix or the folders' names"
            )


def _find_name_conflict(names: Collection[str]) -> tuple[str, str] | None:
    """Find a name that is also the folder of another one."""
    for name in names:
        above = name.rpartition("/")[0]
        while above:
            if above in names:
                return above, name
            above = above.rpartition("/")[0]
    return None


def _require_storable_size(source: Source, limits: StoreLimits) -> None:
    if source.size > max_file_size(limits):
        raise StoreError(
            f"{source.file.location} is {source.size / 1024**3:.1f} GiB; this object store takes "
            f"{max_file_size(limits) / 1024**3:.0f} GiB at most. Split the file, training data may be in any number of files"
        )
