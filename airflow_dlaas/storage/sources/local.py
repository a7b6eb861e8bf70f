"""Finding what is to be stored: files, folders and globs on this machine."""

from __future__ import annotations

import glob
import os
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airflow_dlaas.exceptions import NothingSelected, StoreError
from airflow_dlaas.storage.body import Content, FilePart, unreadable
from airflow_dlaas.storage.sources.patterns import MAGIC, Patterns, as_patterns, matches, wanted

SETTLED = 2 * 10**9
"""Nanoseconds after a change until a file's times would show another one: file systems round them, some to 2 s."""


class Origin(Protocol):
    """Where bytes to be stored come from: a file, here or elsewhere."""

    @property
    def place(self) -> str:
        """Names it for people and for `Known`: an absolute path or a URL."""

    @property
    def size(self) -> int:
        """Bytes it had when it was found."""

    @property
    def identity(self) -> str:
        """Differs when the content does; empty where nothing tells."""

    @property
    def settled(self) -> bool:
        """Whether a change after this moment would be seen in its `identity`."""

    @property
    def near(self) -> bool:
        """Whether reading it twice costs little."""

    def part(self, start: int, size: int) -> Content:
        """A stretch of it."""

    def changed(self) -> bool:
        """Whether it is another than it was when it was found."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to store, and the name to store it under."""

    name: str
    origin: Origin

    @property
    def size(self) -> int:
        """Bytes."""
        return self.origin.size


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A regular file on this machine."""

    place: str
    size: int
    inode: int
    changed_ns: tuple[int, int]
    """When its content, and when anything of it was changed."""
    near: bool = True
    found_ns: int = field(default_factory=time.time_ns, compare=False)

    @classmethod
    def at(cls, path: str, status: os.stat_result) -> LocalFile:
        """Make one of what `os.stat` says; refuses what is no regular file."""
        if not stat.S_ISREG(status.st_mode):
            raise StoreError(f"{path} cannot be stored: it is no regular file")
        return cls(path, status.st_size, status.st_ino, (status.st_mtime_ns, status.st_ctime_ns))

    @property
    def identity(self) -> str:
        """Inode, size and times."""
        return f"{self.inode}:{self.size}:{self.changed_ns[0]}:{self.changed_ns[1]}"

    @property
    def settled(self) -> bool:
        """Whether its last change was long enough ago when it was found: it may have been read right after."""
        return self.found_ns - max(self.changed_ns) > SETTLED

    def part(self, start: int, size: int) -> Content:
        """A stretch of it."""
        return FilePart(self.place, start, size)

    def changed(self) -> bool:
        """Whether it is another than it was when it was found."""
        return _file(self.place).identity != self.identity


def local(place: str | Path, include: Patterns = None, exclude: Patterns = ()) -> list[Source]:
    """
    Find what *place* means: one file, a folder with everything in it, or what a glob matches.

    A file is named by its own name; what is in a folder by its path below it; what a glob matches by its path below
    the last folder that is spelled out. ``**`` goes through folders; a hidden file is matched where the dot is spelled
    out. *include* and *exclude* (see `patterns.matches`) are compared with those names.

    :raises NothingSelected: the folder is empty, the glob matches nothing, or the patterns leave nothing.
    :raises StoreError: there is no such place, something cannot be read, is no regular file, or is a link to a folder.
    """
    included, excluded = as_patterns(include, "include"), as_patterns(exclude, "exclude") or ()
    path = os.path.abspath(place)  # noqa: PTH100  (a Path for each of many files costs more)
    if os.path.isdir(path):  # noqa: PTH112
        found = dict(_below(path, "", excluded))
    elif os.path.lexists(path):
        found = {os.path.basename(path): _file(path)}  # noqa: PTH119
    elif MAGIC & set(path):
        found = dict(sorted(_matched(path, excluded)))
        if not found:
            raise NothingSelected(f"{place} matches no file. If that may be so, set allow_empty")
    else:
        raise StoreError(f"{place}: there is no such file or folder")
    selected = [Source(name, file) for name, file in found.items() if wanted(name, included, excluded)]
    if not selected:
        raise nothing_selected(str(place), included, excluded)
    return selected


def nothing_selected(place: str, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> NothingSelected:
    """Make the error for a *place* that holds no selected file."""
    reasons = []
    if include is not None:
        reasons.append(f"include {list(include)}")
    if exclude:
        reasons.append(f"exclude {list(exclude)}")
    what = f"{' and '.join(reasons)} select no file in it" if reasons else "there is no file in it"
    return NothingSelected(f"{place}: {what}, so there is nothing to transfer. If that may be so, set allow_empty")


def named(files: Mapping[str, Path]) -> list[Source]:
    """Take *files* under the names given."""
    return [Source(name, _file(os.path.abspath(path))) for name, path in files.items()]  # noqa: PTH100


def _matched(pattern: str, exclude: tuple[str, ...]) -> Iterator[tuple[str, LocalFile]]:
    steps = pattern.split(os.sep)  # noqa: PTH206  (it begins with a separator)
    plain = next(at for at, step in enumerate(steps) if MAGIC & set(step))
    base = os.sep.join(steps[:plain]) or os.sep  # noqa: PTH118
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207  (pathlib's matches hidden files)
        name = os.path.relpath(path, base)
        if not os.path.isdir(path):  # noqa: PTH112
            yield name, _file(path)
        elif "**" not in steps:  # which names everything below by itself
            yield from _below(path, f"{name}/", exclude)


def _below(folder: str, above: str, exclude: tuple[str, ...]) -> Iterator[tuple[str, LocalFile]]:
    try:
        with os.scandir(folder) as scan:
            children = sorted(scan, key=lambda child: child.name)
    except OSError as error:
        raise unreadable(folder, error) from error
    for child in children:
        name = above + child.name
        if exclude and matches(name, exclude):
            continue
        if child.is_dir():
            if child.is_symlink():
                raise StoreError(
                    f"{child.path} is a link to a folder and might lead anywhere: upload that folder itself"
                )
            yield from _below(child.path, f"{name}/", exclude)
        else:
            try:
                yield name, LocalFile.at(child.path, child.stat())
            except OSError as error:
                raise unreadable(child.path, error) from error


def _file(path: str) -> LocalFile:
    try:
        return LocalFile.at(path, os.stat(path))  # noqa: PTH116
    except OSError as error:
        raise unreadable(path, error) from error
