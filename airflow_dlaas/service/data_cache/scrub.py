"""Verifies the content of the cache: reads each entry again, and drops those that are damaged."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from airflow_dlaas.service.data_cache.content import has_its_checksums, opened_entry
from airflow_dlaas.service.data_cache.entries import CacheFolder, EntryState
from airflow_dlaas.service.data_cache.entry_names import CachedFile
from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback


@dataclass(frozen=True, slots=True)
class DamagedEntry:
    """An entry that was dropped. Trainings that need it fetch it again."""

    file: CachedFile
    reason: str


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """The result of `scrub`."""

    files: int
    bytes: int
    damaged: tuple[DamagedEntry, ...]


def scrub(folder: CacheFolder, on_progress: ProgressCallback = lambda _: None) -> ScrubReport:
    """
    Read all entries, and drop those whose content is not the verified one; trainings may run meanwhile.

    Entries that are added or removed meanwhile are left out. A file that a running training has a link to keeps its
    damaged content for that training.

    :raises OSError: the folder cannot be read.
    """
    files = list(folder.files())
    total, verified, read, damaged = sum(one.size for one in files), 0, 0, []

    def on_read(count: int) -> None:
        nonlocal read
        read += count
        on_progress(Progress(read, total, verified, len(files)))

    for one in files:
        try:
            problem = _problem(folder, one, on_read)
        except FileNotFoundError:
            continue
        verified += 1
        if problem is not None:
            damaged.append(DamagedEntry(one, problem))
            folder.remove(one.source, one.name)
    on_progress(Progress(read, total, verified, len(files)))
    return ScrubReport(verified, read, tuple(damaged))


def _problem(folder: CacheFolder, file: CachedFile, on_read: Callable[[int], object]) -> str | None:
    path = folder.entry_path(file.source, file.name)
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return "it is no file"
    state = folder.state(file.source, file.name, file.size)
    if state is EntryState.DAMAGED:
        return "it was written after it had been verified"
    try:
        with opened_entry(path) as descriptor:
            if not has_its_checksums(folder, file.source, file.name, descriptor, on_read):
                return "its content has another checksum"
    except FileNotFoundError:
        raise
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if state is EntryState.UNVERIFIED:
        folder.mark_durable(file.source, file.name)
    return None
