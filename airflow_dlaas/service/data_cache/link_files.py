"""Puts cached files into the folder of a job, in each of the modes, and finds out which of them a disk permits."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from airflow_dlaas.service.data_cache.link_mode import LinkMode

FICLONE = 0x40049409
"""The ioctl of Linux that makes a file share the blocks of another (``FICLONE`` of ``linux/fs.h``)."""

COPY_SIZE = 64 * 1024**2
"""Bytes that the kernel copies in one call."""

FILE_MODE = 0o644
OPEN_SOURCE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
CREATE_TARGET = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the files of one source go."""

    root: Path
    """The folder of the source in DATA_DIR."""
    tree: Path
    """With `LinkMode.SYMLINK`: a folder of the job alone, which its command can only read, for the hard links."""
    mode: LinkMode


class FilePlacer:
    """
    Puts files into the folders of *placement*. No symbolic link in them is followed. Thread-safe.

    Every method raises OSError; FileNotFoundError if the cached file is gone.
    """

    def __init__(self, placement: Placement) -> None:
        self._root = os.path.realpath(placement.root)
        self._tree = os.path.realpath(placement.tree)
        self._folders: set[str] = set()
        mode = placement.mode
        self._put: Callable[[str, PurePosixPath], object] = {
            LinkMode.REFLINK: self._put_copy(_clone),
            LinkMode.COPY: self._put_copy(_copy),
            LinkMode.HARDLINK: lambda entry, path: self._put_link(entry, self._root, path),
            LinkMode.SYMLINK: self._put_symbolic_link,
        }[mode]
        for folder in (self._root, self._tree) if mode is LinkMode.SYMLINK else (self._root,):
            os.makedirs(folder, exist_ok=True)

    def place(self, entry: str, relative_path: PurePosixPath) -> None:
        """Make the file at *relative_path*; a file that is there is replaced."""
        self._put(entry, relative_path)

    def _put_symbolic_link(self, entry: str, path: PurePosixPath) -> None:
        link = self._put_link(entry, self._tree, path)
        target = self._target(self._root, path)
        try:
            os.symlink(link, target)
        except FileExistsError:
            os.unlink(target)
            os.symlink(link, target)

    def _put_link(self, entry: str, base: str, path: PurePosixPath) -> str:
        target = self._target(base, path)
        try:
            os.link(entry, target, follow_symlinks=False)
        except FileExistsError:
            os.unlink(target)
            os.link(entry, target, follow_symlinks=False)
        return target

    def _put_copy(self, fill: Callable[[int, int], None]) -> Callable[[str, PurePosixPath], None]:
        def put(entry: str, path: PurePosixPath) -> None:
            target = self._target(self._root, path)
            temporary = f"{os.path.dirname(target)}/.{os.urandom(8).hex()}.part"
            source_fd = os.open(entry, OPEN_SOURCE)
            try:
                target_fd = os.open(temporary, CREATE_TARGET, 0o600)
                try:
                    fill(source_fd, target_fd)
                    os.fchmod(target_fd, FILE_MODE)
                finally:
                    os.close(target_fd)
                os.replace(temporary, target)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
                raise
            finally:
                os.close(source_fd)

        return put

    def _target(self, base: str, path: PurePosixPath) -> str:
        target = f"{base}/{path}"
        self._make_folder(os.path.dirname(target), base)
        return target

    def _make_folder(self, folder: str, base: str) -> None:
        """Create *folder* below *base* with its parents. A command of an earlier attempt may have put a link there."""
        if folder == base or folder in self._folders:
            return
        self._make_folder(os.path.dirname(folder), base)
        with suppress(FileExistsError):
            os.mkdir(folder)
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            raise NotADirectoryError(20, "It is not a folder", folder)
        self._folders.add(folder)


@dataclass(frozen=True, slots=True)
class LinkSupport:
    """What the file systems of the cache and of a job's folder permit."""

    reflinks: bool
    hard_links: bool


def probe_link_support(cache: Path, folder: Path) -> LinkSupport:
    """Find out what is possible from *cache* to *folder*, which exist, with a file that is removed again."""
    source, target = cache / f".probe-{os.urandom(8).hex()}", folder / f".probe-{os.urandom(8).hex()}"
    try:
        descriptor = os.open(source, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b"probe")
            reflinks = _is_possible(lambda: _probe_clone(descriptor, target))
            return LinkSupport(reflinks, _is_possible(lambda: _probe_link(source, target)))
        finally:
            os.close(descriptor)
    except OSError:
        return LinkSupport(reflinks=False, hard_links=False)
    finally:
        for path in (source, target):
            with suppress(OSError):
                path.unlink()


def _is_possible(action: Callable[[], None]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _probe_clone(source_fd: int, target: Path) -> None:
    descriptor = os.open(target, CREATE_TARGET, 0o600)
    try:
        _clone(source_fd, descriptor)
    finally:
        os.close(descriptor)
        target.unlink()


def _probe_link(source: Path, target: Path) -> None:
    os.link(source, target, follow_symlinks=False)
    target.unlink()


def _clone(source_fd: int, target_fd: int) -> None:
    fcntl.ioctl(target_fd, FICLONE, source_fd)


def _copy(source_fd: int, target_fd: int) -> None:
    while os.sendfile(target_fd, source_fd, None, COPY_SIZE):
        pass
