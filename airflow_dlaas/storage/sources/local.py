"""Sources on this machine: files, folders and globs."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airflow_dlaas.contract.patterns import GLOB_CHARACTERS, Patterns, is_selected, matches_any, parse_patterns
from airflow_dlaas.exceptions import NothingSelected, StoreError
from airflow_dlaas.storage.body import Body, FileBody, unreadable_error

MTIME_RESOLUTION_NS = 2 * 10**9
"""Nanoseconds after a change until a file's times show another change: file systems round them, some to 2 s."""


class SourceFile(Protocol):
    """A file to upload, on this machine or remote."""

    @property
    def location(self) -> str:
        """Absolute path or URL: the name of the file in messages and in `ChecksumCache`."""

    @property
    def size(self) -> int:
        """Bytes of the file when it was found."""

    @property
    def fingerprint(self) -> str:
        """A text that changes with the content; empty if the file system reports nothing of that kind."""

    @property
    def has_stable_fingerprint(self) -> bool:
        """Whether a change from now on would change the `fingerprint`."""

    @property
    def is_local(self) -> bool:
        """Whether the file is on this machine, where it costs little to read it twice."""

    def part(self, start: int, size: int) -> Body:
        """Return *size* bytes of the content from *start* on."""

    def has_changed(self) -> bool:
        """Whether the file differs from the one that was found."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to upload, and the name of its object."""

    name: str
    file: SourceFile

    @property
    def size(self) -> int:
        """Bytes."""
        return self.file.size


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file on this machine."""

    location: str
    size: int
    inode: int
    mtime_ctime_ns: tuple[int, int]
    """Times of the last change of the content, and of any change."""
    is_local: bool = True
    stat_time_ns: int = field(default_factory=time.time_ns, compare=False)
    """Time at which the file was found."""

    @classmethod
    def from_stat(cls, path: str, status: os.stat_result) -> LocalFile:
        """Make one from the result of `os.stat`. Raises `StoreError` if the file is not a regular one."""
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path} cannot be stored: it is not a regular file")
        return cls(path, status.st_size, status.st_ino, (status.st_mtime_ns, status.st_ctime_ns))

    @property
    def fingerprint(self) -> str:
        """Inode, size and times."""
        return f"{self.inode}:{self.size}:{self.mtime_ctime_ns[0]}:{self.mtime_ctime_ns[1]}"

    @property
    def has_stable_fingerprint(self) -> bool:
        """Whether the last change was long before the file was found; its content may be read right after that."""
        return self.stat_time_ns - max(self.mtime_ctime_ns) > MTIME_RESOLUTION_NS

    def part(self, start: int, size: int) -> Body:
        """Return *size* bytes of the content from *start* on."""
        return FileBody(self.location, start, size)

    def has_changed(self) -> bool:
        """Whether the file differs from the one that was found."""
        return _stat_file(self.location).fingerprint != self.fingerprint


def local_sources(location: str | Path, include: Patterns = None, exclude: Patterns = ()) -> list[Source]:
    """
    Find the files of *location*: one file, a folder with everything in it, or everything that a glob matches.

    The name of a single file is its own name; of a file in a folder, the path below the folder; of a match of a glob,
    the path below the last folder without a wildcard. ``**`` matches any number of folders; a hidden file is matched
    only by a pattern with the dot. *include* and *exclude* (see `patterns.matches_any`) are compared with these names.

    :raises NothingSelected: the folder is empty, the glob matches nothing, or the patterns select nothing.
    :raises StoreError: the location does not exist, or a file cannot be read, is not a regular file or is a link to a
        folder.
    """
    included, excluded = parse_patterns(include, "include"), parse_patterns(exclude, "exclude") or ()
    path = os.path.abspath(location)  # noqa: PTH100  (a Path for each of many files costs more)
    if os.path.isdir(path):  # noqa: PTH112
        found = dict(_walk_files(path, "", excluded))
    elif os.path.lexists(path):
        found = {os.path.basename(path): _stat_file(path)}  # noqa: PTH119
    elif GLOB_CHARACTERS & set(path):
        found = dict(sorted(_glob_files(path, excluded)))
        if not found:
            raise NothingSelected(f"{location} matches no file. If that may be so, set allow_empty")
    else:
        raise StoreError(f"{location}: there is no such file or folder")
    selected = [Source(name, file) for name, file in found.items() if is_selected(name, included, excluded)]
    if not selected:
        raise nothing_selected_error(str(location), included, excluded)
    return selected


def nothing_selected_error(location: str, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> NothingSelected:
    """Return the error for a *location* without a selected file."""
    reasons = []
    if include is not None:
        reasons.append(f"include {list(include)}")
    if exclude:
        reasons.append(f"exclude {list(exclude)}")
    what = f"{' and '.join(reasons)} select no file in it" if reasons else "there is no file in it"
    return NothingSelected(f"{location}: {what}, so there is nothing to transfer. If that may be so, set allow_empty")


def named_sources(files: Mapping[str, Path]) -> list[Source]:
    """Return the sources for *files*, a mapping of object names to paths."""
    return [Source(name, _stat_file(os.path.abspath(path))) for name, path in files.items()]  # noqa: PTH100


def _glob_files(pattern: str, exclude: tuple[str, ...]) -> Iterator[tuple[str, LocalFile]]:
    components = pattern.split(os.sep)  # noqa: PTH206  (it begins with a separator)
    first_wildcard = next(index for index, one in enumerate(components) if GLOB_CHARACTERS & set(one))
    base = os.sep.join(components[:first_wildcard]) or os.sep  # noqa: PTH118
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  (pathlib's matches hidden files)
        name = os.path.relpath(path, base)
        if not os.path.isdir(path):  # noqa: PTH112
            yield name, _stat_file(path)
        elif "**" not in components:  # "**" matches everything in the folder itself
            yield from _walk_files(path, f"{name}/", exclude)


def _walk_files(folder: str, name_prefix: str, exclude: tuple[str, ...]) -> Iterator[tuple[str, LocalFile]]:
    try:
        with os.scandir(folder) as scan:
            children = sorted(scan, key=lambda child: child.name)
    except OSError as error:
        raise unreadable_error(folder, error) from error
    for child in children:
        name = name_prefix + child.name
        if exclude and matches_any(name, exclude):
            continue
        if child.is_dir():
            if child.is_symlink():
                raise StoreError(
                    f"{child.path} is a link to a folder and might lead anywhere: upload that folder itself"
                )
            yield from _walk_files(child.path, f"{name}/", exclude)
        else:
            try:
                yield name, LocalFile.from_stat(child.path, child.stat())
            except OSError as error:
                raise unreadable_error(child.path, error) from error


def _stat_file(path: str) -> LocalFile:
    try:
        return LocalFile.from_stat(path, os.stat(path))  # noqa: PTH116
    except OSError as error:
        raise unreadable_error(path, error) from error
