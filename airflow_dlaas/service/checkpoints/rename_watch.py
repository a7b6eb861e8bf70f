"""
Which entries of a folder were renamed into place, as the kernel reports it (inotify).

The times of a file show a rename only if the clock of the file system has moved on since the last write: it moves in
steps of some milliseconds, within which a small file is written and renamed. Python has no interface to inotify, and
a library for three calls of the C library would be one more dependency of every learner.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

IN_MOVED_TO = 0x80
IN_ONLYDIR = 0x01000000
IN_DONT_FOLLOW = 0x02000000
"""https://man7.org/linux/man-pages/man7/inotify.7.html"""

_EVENT = struct.Struct("iIII")
"""Watch, mask, cookie, and the length of the name that follows, filled up with zeros."""

_READ_SIZE = 256 * 1024


class RenameWatch:
    """
    Watches the entries directly in *folder* from now on.

    Where the kernel permits no watch, nothing is ever reported; then the times of files decide alone.
    """

    def __init__(self, folder: Path) -> None:
        self._fd: int | None = _watch(folder)

    def take(self) -> frozenset[str]:
        """
        Return the names that something was renamed to since the last call.

        Call it before the folder is looked at: a rename in between is then reported by the next call, too.
        """
        if self._fd is None:
            return frozenset()
        names: set[str] = set()
        with suppress(BlockingIOError):
            while data := os.read(self._fd, _READ_SIZE):
                names.update(_names(data))
        return frozenset(names)

    def close(self) -> None:
        """End the watch; may be repeated."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _watch(folder: Path) -> int | None:
    library = ctypes.CDLL(None, use_errno=True)
    fd = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if fd < 0:
        return None
    if library.inotify_add_watch(fd, os.fsencode(folder), IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW) < 0:
        os.close(fd)
        return None
    return int(fd)


def _names(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        if mask & IN_MOVED_TO:
            yield os.fsdecode(data[at : at + length].rstrip(b"\0"))
        at += length
