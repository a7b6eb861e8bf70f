"""
One look at CHECKPOINT_DIR: its top-level entries, and what identifies the present state of each.

The command may write, rename and remove files meanwhile. No link is followed: folders are opened by file descriptors,
so that everything that is found is below CHECKPOINT_DIR.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from airflow_dlaas.service.checkpoints.manifest import EntryKind

MAX_FOLDER_DEPTH = 100
"""Folders in each other; deeper ones are skipped, because each of them holds a file descriptor."""

FILE_TYPE_NAMES = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FoundFile(NamedTuple):
    """A file, a folder or a link, by what changes with its content. Equal tuples are the same state."""

    path: str
    """Relative to CHECKPOINT_DIR, with ``/``."""
    kind: EntryKind
    device: int
    inode: int
    size: int = 0
    """Bytes of a file."""
    mtime_ns: int = 0
    mode: int = 0
    target: str | None = None
    """Where a link leads."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A top-level entry of CHECKPOINT_DIR: a file, a link, or a folder with everything in it."""

    found: tuple[FoundFile, ...]
    """The entry itself, then everything in it."""
    ctime_ns: int
    """The last change of any kind of the entry itself; a rename is one."""

    @property
    def top(self) -> FoundFile:
        """The entry itself."""
        return self.found[0]

    @property
    def files(self) -> Iterator[FoundFile]:
        """Its regular files."""
        return (one for one in self.found if one.kind is EntryKind.FILE)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a look has found."""

    entries: Mapping[str, Entry] = field(default_factory=dict)
    """By name."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """What no checkpoint contains: the reason by its path, printable on one line."""


def take_snapshot(folder: Path) -> Snapshot:
    """
    Look at everything in *folder*; nothing is opened but folders.

    A folder that is missing, or that the command has replaced by a link, has no entries.
    """
    scan = _Scan()
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return Snapshot()
    try:
        for one in _scan(fd):
            if (status := _status(one)) is not None and (found := tuple(scan.find(one, status, fd, ""))):
                scan.entries[one.name] = Entry(found, status.st_ctime_ns)
    except OSError as error:
        scan.skipped["."] = f"the folder cannot be read ({error.strerror})"
    finally:
        os.close(fd)
    return Snapshot(scan.entries, scan.skipped)


class _Scan:
    """One scan of CHECKPOINT_DIR."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.skipped: dict[str, str] = {}

    def find(self, one: os.DirEntry[str], status: os.stat_result, parent: int, prefix: str) -> Iterator[FoundFile]:
        """Yield *one*, then everything in it."""
        path, kind = f"{prefix}{one.name}", stat.S_IFMT(status.st_mode)
        if not one.name.isprintable() and not _is_utf8(one.name):
            self._skip(path, "its name is not UTF-8")
        elif kind == stat.S_IFREG:
            times = status.st_mtime_ns, stat.S_IMODE(status.st_mode)
            yield FoundFile(path, EntryKind.FILE, status.st_dev, status.st_ino, status.st_size, *times)
        elif kind == stat.S_IFDIR:
            times = status.st_mtime_ns, stat.S_IMODE(status.st_mode)
            yield FoundFile(path, EntryKind.FOLDER, status.st_dev, status.st_ino, 0, *times)
            yield from self._find_in_folder(one.name, parent, f"{path}/")
        elif kind == stat.S_IFLNK:
            yield from self._find_link(one.name, status, parent, path)
        else:
            self._skip(path, FILE_TYPE_NAMES.get(kind, "no regular file"))

    def _find_in_folder(self, name: str, parent: int, prefix: str) -> Iterator[FoundFile]:
        if prefix.count("/") > MAX_FOLDER_DEPTH:
            self._skip(prefix, f"more than {MAX_FOLDER_DEPTH} folders in each other")
            return
        try:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError:
            return  # removed meanwhile
        except OSError as error:
            self._skip(prefix, f"the folder cannot be read ({error.strerror})")
            return
        try:
            for one in _scan(fd):
                if (status := _status(one)) is not None:
                    yield from self.find(one, status, fd, prefix)
        finally:
            os.close(fd)

    def _find_link(self, name: str, status: os.stat_result, parent: int, path: str) -> Iterator[FoundFile]:
        try:
            target = os.readlink(name, dir_fd=parent)
        except OSError:
            return  # removed meanwhile
        if not _is_utf8(target):
            self._skip(path, "the target of the link is not UTF-8")
        else:
            yield FoundFile(path, EntryKind.LINK, status.st_dev, status.st_ino, target=target)

    def _skip(self, path: str, reason: str) -> None:
        text = os.fsencode(path).decode("utf-8", "backslashreplace")
        self.skipped["".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)] = reason


def _scan(fd: int) -> list[os.DirEntry[str]]:
    """Return the entries of a folder by name, so that two looks at the same state are equal."""
    with os.scandir(fd) as found:
        return sorted(found, key=lambda one: one.name)


def _status(one: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of the entry itself; None if it was removed meanwhile."""
    try:
        return one.stat(follow_symlinks=False)
    except OSError:
        return None


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
