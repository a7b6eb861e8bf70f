"""
Staged files: hard links to the files of a checkpoint in a private folder, from which they are hashed and sent.

A link keeps the content when the command renames or removes the file meanwhile. Where the file system permits no link,
the content is copied.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.checkpoints.snapshot import FoundFile
from airflow_dlaas.storage.body import Body, FileBody

FileIdentity = tuple[int, int, int, int]
"""Device, inode, size and mtime of a file: equal for the same content. Links and renames change the ctime only."""


def identity_of(found: FoundFile) -> FileIdentity:
    """Return what changes with the content of a file."""
    return found.device, found.inode, found.size, found.mtime_ns


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file to send. It is a `airflow_dlaas.storage.sources.local.SourceFile`."""

    location: str
    """The path of the link or the copy."""
    identity: FileIdentity
    """That of the file at `location`."""
    source: FoundFile
    """The file of the command, as the look has found it."""
    is_local: bool = True
    has_stable_fingerprint: bool = True
    """It was unchanged since the look before, or renamed after its last change."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.source.size

    @property
    def fingerprint(self) -> str:
        """The identity; without the ctime, which changes when the command removes the file."""
        return ":".join(map(str, self.identity))

    def part(self, start: int, size: int) -> Body:
        """Return *size* bytes of the content from *start* on."""
        return FileBody(self.location, start, size)

    def has_changed(self) -> bool:
        """Whether the command has written the file since it was found."""
        try:
            return _identity(os.lstat(self.location)) != self.identity
        except OSError:
            return True


class StagingFolder:
    """
    The private folder of staged files.

    :param path: must not be writable for another user; it should be in the file system of CHECKPOINT_DIR.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def stage(self, folder: Path, files: Iterable[FoundFile]) -> tuple[StagedFile, ...] | None:
        """
        Stage *files* of *folder*; None if one of them has changed since it was found.

        :raises OSError: a file cannot be read, or the disk is full.
        """
        self._path.mkdir(mode=0o700, exist_ok=True)
        staged: list[StagedFile] = []
        try:
            for found in files:
                self._count += 1
                if (one := _stage(folder / found.path, found, self._path / f"{self._count}")) is None:
                    self.remove(staged)
                    return None
                staged.append(one)
                if not os.access(one.location, os.R_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), found.path)
        except OSError:
            self.remove(staged)
            raise
        return tuple(staged)

    def remove(self, staged: Iterable[StagedFile]) -> None:
        """Remove staged files."""
        for one in staged:
            with suppress(OSError):
                os.unlink(one.location)  # noqa: PTH108  (of many files)

    def clear(self) -> None:
        """Remove the folder, with what an earlier process has left in it."""
        shutil.rmtree(self._path, ignore_errors=True)


def _stage(path: Path, found: FoundFile, link: Path) -> StagedFile | None:
    try:
        os.link(path, link, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError:
        return _copy(path, found, link)
    # The name may lead to another file by now, even to one outside of CHECKPOINT_DIR.
    if _identity(os.lstat(link)) != identity_of(found):
        link.unlink()
        return None
    return StagedFile(str(link), identity_of(found), found)


def _copy(path: Path, found: FoundFile, copy: Path) -> StagedFile | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as source:
        if _identity(os.fstat(fd)) != identity_of(found):
            return None
        try:
            with copy.open("xb") as target:
                shutil.copyfileobj(source, target, 1024**2)
            if _identity(os.fstat(fd)) == identity_of(found):
                return StagedFile(str(copy), _identity(os.lstat(copy)), found)
        except OSError:
            copy.unlink(missing_ok=True)
            raise
    copy.unlink()
    return None


def _identity(status: os.stat_result) -> FileIdentity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
