"""The content of entries: their checksums, and whether the content still has them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.service.data_cache.entry_names import md5_of_entry
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import Part

ReadCallback = Callable[[int], object]
"""Receives the number of bytes just read; its errors end the reading."""


@contextmanager
def opened_entry(path: str) -> Iterator[int]:
    """Open an entry for reading that does not count as its use; no link is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # only the owner may leave the time of the last use as it is
        descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def has_its_checksums(
    folder: CacheFolder, source: str, name: str, descriptor: int, on_read: ReadCallback = lambda _: None
) -> bool:
    """Read the content of an entry, opened as *descriptor*; return whether it is the verified one."""
    size = os.fstat(descriptor).st_size
    md5 = md5_of_entry(name)
    parts = [Part(0, size, md5)] if md5 is not None else _read_checksums(folder, source, name)
    if sum(part.size for part in parts) != size:
        return False
    return all(md5_of_range(descriptor, part.start, part.size, on_read) == part.md5 for part in parts)


def write_checksums(folder: CacheFolder, source: str, name: str, parts: Sequence[Part]) -> None:
    """Record the MD5 of each part of an entry without an MD5 of its own."""
    path = folder.checksums_path(source, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    atomic_write_text(path, json.dumps([[part.start, part.size, part.md5] for part in parts]), mode=0o600)


def md5_of_range(descriptor: int, start: int, size: int, on_read: ReadCallback = lambda _: None) -> str:
    """Return the MD5 of a range of an open file; of less than that, if the file ends before."""
    md5, end = hashlib.md5(usedforsecurity=False), start + size
    while start < end and (chunk := os.pread(descriptor, min(CHUNK_SIZE, end - start), start)):
        md5.update(chunk)
        start += len(chunk)
        on_read(len(chunk))
    return md5.hexdigest()


def _read_checksums(folder: CacheFolder, source: str, name: str) -> list[Part]:
    try:
        rows = json.loads(folder.checksums_path(source, name).read_text("utf-8"))
        return [Part(int(start), int(size), str(md5)) for start, size, md5 in rows]
    except (OSError, ValueError, TypeError):
        return []
