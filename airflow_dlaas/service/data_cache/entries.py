"""The entries of the cache on disk: their paths, their states, and their removal."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.data_cache.entry_names import CachedFile, is_entry_name, source_id, subfolder
from airflow_dlaas.service.data_cache.verified_mark import DURABLE_NS, boot_mark_ns, is_mark
from airflow_dlaas.service.process.process_info import boot_id

SOURCES_FOLDER = "sources"
FILLING_FOLDER = "filling"
"""What is being fetched: files that become entries, and their locks."""

SOURCE_FILE = "source.json"
"""In the folder of a source: the account and the container, for people."""

CHECKSUMS_SUFFIX = ".json"
"""Ending of the file beside an entry with the MD5 of each part."""

LOCK_SUFFIX = ".lock"

LOCK_TIMEOUT = 60.0
"""Seconds to wait for the lock of the cache. It is held for the removal of files at most, which takes seconds."""

ENTRY_MODE = 0o444


class EntryState(Enum):
    """What the inode of an entry shows; the content is not read."""

    ABSENT = auto()
    VALID = auto()
    UNVERIFIED = auto()
    """Written in another boot of the machine: the content has to be verified."""
    DAMAGED = auto()
    """Its size or its time of modification is not that of the entry, or it is no file."""


class CacheFolder:
    """The folder of the cache. Its methods raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.filling = path / FILLING_FOLDER
        self.users = path / "users"
        self._mark_ns = DURABLE_NS
        with suppress(OSError):
            self._mark_ns = boot_mark_ns(boot_id())

    def create(self) -> None:
        """Create the folders that are missing; only the owner has access."""
        for folder in (self.path, self.path / SOURCES_FOLDER, self.filling, self.users):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Hold the lock of the cache: use of entries is declared, and entries are removed, by one process at a time.

        :raises BlockingIOError: another process has held it for `LOCK_TIMEOUT`.
        """
        with file_lock(self.path / "cache.lock", timeout=LOCK_TIMEOUT):
            yield

    def exists(self) -> bool:
        """Whether the folder is one of a cache."""
        return (self.path / SOURCES_FOLDER).is_dir()

    def add_source(self, account_url: str, container: str) -> str:
        """Create the folder of a container; return its name."""
        source = source_id(account_url, container)
        folder = self.path / SOURCES_FOLDER / source
        if not (folder / SOURCE_FILE).exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            atomic_write_text(
                folder / SOURCE_FILE, json.dumps({"account_url": account_url, "container": container}), mode=0o600
            )
        return source

    def entry_path(self, source: str, name: str) -> str:
        """Return the path of an entry, which may be absent."""
        return f"{self.path}/{SOURCES_FOLDER}/{source}/{subfolder(name)}/{name}"

    def filling_path(self, source: str, name: str) -> Path:
        """Return the path of the temporary file in which an entry is fetched."""
        return self.filling / f"{source}.{name}"

    def fill_lock(self, source: str, name: str) -> Path:
        """Return the path of the lock of an entry, which is held while the entry is filled."""
        return self.filling / f"{source}.{name}{LOCK_SUFFIX}"

    def checksums_path(self, source: str, name: str) -> Path:
        """Return the path of the file with the MD5 of each part of an entry."""
        return Path(self.entry_path(source, name) + CHECKSUMS_SUFFIX)

    def state(self, source: str, name: str, size: int) -> EntryState:
        """Return the state of an entry, by its inode."""
        try:
            status = os.lstat(self.entry_path(source, name))
        except FileNotFoundError:
            return EntryState.ABSENT
        if not stat.S_ISREG(status.st_mode) or status.st_size != size or not is_mark(status.st_mtime_ns):
            return EntryState.DAMAGED
        return EntryState.VALID if status.st_mtime_ns in {DURABLE_NS, self._mark_ns} else EntryState.UNVERIFIED

    def add(self, file: Path, source: str, name: str, used_ns: int, *, durable: bool = False) -> None:
        """Make the verified *file* of the folder `filling` the entry *name*."""
        entry = self.entry_path(source, name)
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(entry), 0o700)
        os.chmod(file, ENTRY_MODE)
        os.utime(file, ns=(used_ns, DURABLE_NS if durable else self._mark_ns))
        os.replace(file, entry)

    def record_use(self, source: str, name: str, used_ns: int) -> None:
        """Set the time of the last use of a valid entry; its mark stays."""
        entry = self.entry_path(source, name)
        os.utime(entry, ns=(used_ns, os.lstat(entry).st_mtime_ns), follow_symlinks=False)

    def mark_durable(self, source: str, name: str) -> None:
        """Record that the content, read in a later boot than it was written in, has been verified."""
        entry = self.entry_path(source, name)
        os.utime(entry, ns=(os.lstat(entry).st_atime_ns, DURABLE_NS), follow_symlinks=False)

    def remove(self, source: str, name: str) -> None:
        """Remove an entry, if it exists. Files that are linked to it keep the content."""
        for path in (self.entry_path(source, name), str(self.checksums_path(source, name))):
            with suppress(FileNotFoundError):
                os.unlink(path)

    def describe(self, source: str) -> tuple[str, str]:
        """Return the URL of the account and the container of a source; empty if they are unreadable."""
        try:
            document = json.loads((self.path / SOURCES_FOLDER / source / SOURCE_FILE).read_text("utf-8"))
            return str(document["account_url"]), str(document["container"])
        except (OSError, ValueError, KeyError, TypeError):
            return "", ""

    def sources(self) -> list[str]:
        """Return the names of all sources."""
        with os.scandir(self.path / SOURCES_FOLDER) as found:
            return sorted(one.name for one in found if one.is_dir(follow_symlinks=False))

    def remove_empty_sources(self) -> None:
        """Remove the folders of containers without entries; call it while the cache is locked."""
        with_entries = {one.source for one in self.files()}
        for source in self.sources():
            if source not in with_entries:
                shutil.rmtree(self.path / SOURCES_FOLDER / source, ignore_errors=True)

    def files(self) -> Iterator[CachedFile]:
        """Yield all entries; those that are added or removed meanwhile may be missing."""
        for source in self.sources():
            folder = f"{self.path}/{SOURCES_FOLDER}/{source}"
            with os.scandir(folder) as found:
                subfolders = [one.path for one in found if one.is_dir(follow_symlinks=False)]
            for path in subfolders:
                yield from _files_in(path, source)


def _files_in(folder: str, source: str) -> Iterator[CachedFile]:
    with suppress(FileNotFoundError), os.scandir(folder) as found:
        for one in found:
            if is_entry_name(one.name):
                with suppress(FileNotFoundError):
                    status = one.stat(follow_symlinks=False)
                    yield CachedFile(source, one.name, status.st_size, status.st_atime_ns)


def remove_if_unlocked(path: Path) -> bool:
    """Remove a file unless a process has locked it; return whether it is gone. It need not be writable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


@contextmanager
def translate_errors(folder: CacheFolder) -> Iterator[None]:
    """Raise HostError for an OSError of the folder of the cache."""
    try:
        yield
    except OSError as error:
        raise HostError(f"The cache of data {folder.path} cannot be used: {error.strerror or error}") from error
