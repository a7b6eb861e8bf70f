"""
Plans of transfers: what to send, to fetch and to delete, decided before the first byte moves. No I/O.

A plan is refused as a whole: a name that cannot be stored, or written as a file, is found before anything is changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from airflow_dlaas.contract.data_manifest import is_version_object
from airflow_dlaas.contract.format_list import format_list
from airflow_dlaas.contract.patterns import Patterns, is_selected, parse_patterns
from airflow_dlaas.contract.results import enclosing_folder, result_folders
from airflow_dlaas.contract.store_names import (
    path_problem,
    require_new_object_name,
)
from airflow_dlaas.exceptions import InvalidName, StoreError
from airflow_dlaas.storage.object_store import StoredObject, StoreLimits
from airflow_dlaas.storage.segments import (
    DEFAULT_SEGMENT_SIZE,
    is_large,
    max_file_size,
    segment_size_for,
)
from airflow_dlaas.storage.sources.local import Source

MAX_REMOTE_BUFFER = 16 * 1024**2
"""Bytes of a remote file that is held in memory, so that its MD5 is known before it is sent."""


@dataclass(frozen=True, slots=True)
class PlannedUpload:
    """One file to store, unless its content is already stored."""

    source: Source
    stored: StoredObject | None
    """The object that has its name now."""
    segment_size: int
    """Bytes of each segment; 0 for a file that is sent in one piece."""

    @property
    def has_same_size(self) -> bool:
        """Whether the stored object has the size of the file; then only the content shows whether it has changed."""
        return self.stored is not None and self.stored.size == self.source.size


@dataclass(frozen=True, slots=True)
class PlannedDownload:
    """One object to fetch, and its path below the destination."""

    relative_path: PurePosixPath
    stored: StoredObject

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stored.size


def folder_prefix(prefix: str) -> str:
    """Return *prefix* with a slash at its end; an empty prefix stays empty."""
    return prefix if not prefix or prefix.endswith("/") else prefix + "/"


def require_valid_names(sources: Iterable[Source]) -> None:
    """
    Check the names that *sources* would have in the store, by the rules of `planned_downloads`.

    :raises InvalidName: a name cannot be that of an object, or no download could write it as a file.
    :raises StoreError: a name would be that of a file and of a folder.
    """
    names: set[str] = set()
    for source in sources:
        try:
            names.add(require_new_object_name(source.name))
            if source.name.endswith("/"):
                raise InvalidName(f"name: {source.name!r} ends with a slash")
        except InvalidName as error:  # noqa: PERF203  (the error names the file)
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
    Compare *sources* with one listing; return how to send each file if it has changed, the largest first.

    :raises StoreError: two files would get the same name, or a file is too large.
    """
    by_name: dict[str, Source] = {}
    for source in sources:
        _require_storable_size(source, limits)
        other = by_name.setdefault(source.name, source)
        if other is not source:
            raise StoreError(
                f"{other.file.location} and {source.file.location} would both be stored as {source.name!r}"
            )
    stored_by_name = {one.name: one for one in stored if one.name in by_name}
    planned = [
        PlannedUpload(source, stored_by_name.get(name), _choose_segment_size(source, limits, segment_size))
        for name, source in by_name.items()
    ]
    return sorted(planned, key=lambda one: -one.source.size)


def _choose_segment_size(source: Source, limits: StoreLimits, segment_size: int) -> int:
    # A remote file is read once, so its MD5 is known only after it was sent: it is sent as segments, which become
    # visible as an object later.
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
    Return the objects under the folder *prefix* that are no longer among *sources*.

    Objects stay that *include* and *exclude* leave out of an upload, objects that only mark folders, versions of the
    data, and the results of trainings, which are in the same container if the training definition names no other.
    """
    folder = folder_prefix(prefix)
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    stored = list(stored)
    results = result_folders(one.name for one in stored)
    source_names = {source.name for source in sources}
    return [
        one
        for one in stored
        if one.name.startswith(folder)
        and one.name not in source_names
        and not one.is_folder_marker
        and enclosing_folder(one.name, results) is None
        and not is_version_object(one.name)
        and is_selected(one.name[len(folder) :], included, excluded)
    ]


def planned_downloads(
    stored: Iterable[StoredObject], prefix: str = "", names: Iterable[str] | None = None
) -> list[PlannedDownload]:
    """
    Return the objects under the folder *prefix* with their paths below the destination, the largest first.

    Objects that only mark folders are left out.

    :param names: the full names of the objects to fetch; None means all.
    :raises StoreError: names do not lead to a file below the destination (the error has the reason for each), or an
        object would have to be a file and a folder.
    """
    folder = folder_prefix(prefix)
    only = None if names is None else set(names)
    planned: dict[str, PlannedDownload] = {}
    problems: list[str] = []
    for one in stored:
        if one.is_folder_marker or not one.name.startswith(folder) or (only is not None and one.name not in only):
            continue
        path = one.name[len(folder) :]
        if problem := path_problem(path):
            problems.append(f"{one.name!r} ({'it' if path == one.name else repr(path)} {problem})")
            continue
        planned[one.name] = PlannedDownload(PurePosixPath(path), one)
    if problems:
        raise StoreError(
            "Nothing is fetched, because these objects have names that do not lead to a file below the destination: "
            f"{format_list(problems)}. Rename them in the store, or name the objects to fetch"
        )
    if conflict := _find_name_conflict(planned):
        file, below = conflict
        raise StoreError(
            f"{file!r} and {below!r} are both stored, but on disk the first would have to be a file and a folder at "
            "once: rename or delete one of them"
        )
    return sorted(planned.values(), key=lambda one: -one.size)


def _find_name_conflict(names: Collection[str]) -> tuple[str, str] | None:
    """Find a name that is also a folder of another name; return both names."""
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
            f"{max_file_size(limits) / 1024**3:.0f} GiB at most. Split the file, training data may be in any number of "
            "files"
        )
