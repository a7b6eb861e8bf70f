"""Puts the files of sources into their folders by way of the cache of the machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.data_cache.cache import (
    CacheOptions,
    DataCache,
    LinkMode,
    Placement,
    choose_link_mode,
    probe_link_support,
)
from airflow_dlaas.service.data_cache.entries import CacheFolder, EntryState
from airflow_dlaas.service.data_cache.entry_names import EntryKey, entry_name, source_id
from airflow_dlaas.service.data_cache.in_use import entries_in_use
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.command_env import DATA, DATA_FILES
from airflow_dlaas.service.learner.data_fetch import DataFetcher, DirectFetcher, FetchReport, PlannedSource
from airflow_dlaas.service.learner.disk_room import DiskSpace, RoomNeeded, disk_space
from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback


@dataclass(frozen=True, slots=True)
class CachedFetcher:
    """Fetches what is not in the cache into it, and links or copies each file from there."""

    cache: DataCache
    mode: LinkMode
    tree: Path
    """The job's folder of hard links (`LinkMode.SYMLINK`)."""
    get_space: Callable[[Path], DiskSpace] = disk_space

    def room_needed(self, sources: Sequence[PlannedSource]) -> Sequence[RoomNeeded]:
        """
        See `DataFetcher.room_needed`; more than that where even all files would fit.

        A linked file takes room once, and unused entries of the cache make room for it. A copied one takes room in the
        folder of its source; the cache takes only what is left.
        """
        if self.mode is LinkMode.COPY:
            return DirectFetcher().room_needed(sources)
        free, total = (
            self.get_space(self.cache.path).free,
            sum(one.size for source in sources for one in source.planned),
        )
        if total <= free:  # then so does what is missing of it, and no entry has to be looked at
            return [RoomNeeded(self.cache.path, total)]
        folder = CacheFolder(self.cache.path)
        sizes = {key: size for one in sources for key, size in _entries(one).items()}
        missing = sum(size for key, size in sizes.items() if not _is_there(folder, key, size))
        missing += sum(planned.size for one in sources for planned in one.planned if entry_name(planned.stored) is None)
        if missing > free:
            missing = max(0, missing - _removable_bytes(folder, sizes.keys()))
        return [RoomNeeded(self.cache.path, missing)]

    def fetch(self, source: PlannedSource, progress: ProgressCallback) -> FetchReport:
        """See `DataFetcher.fetch`."""
        placement = Placement(source.root, self.tree / source.folder, self.mode)
        options = CacheOptions(account_url=source.account_url, progress=progress)
        report = self.cache.materialize(source.store, source.container, source.planned, placement, options)
        return FetchReport(report.cached_files, report.cached_bytes)


def open_fetcher(
    job: JobDirectory, spec: JobSpec, isolation: str, held: ExitStack, logger: logging.Logger
) -> DataFetcher:
    """
    Return the fetcher for *job*; the log states how files get from the cache into its folder, and why so.

    :param isolation: the mode of the isolation of its command (`Isolation.mode`).
    :param held: receives the cache, whose entries are in use until it is closed.
    """
    settings = spec.data_cache
    if settings is None:
        return DirectFetcher()
    cache = held.enter_context(DataCache(settings.path, settings.limit, logger))
    if not cache.is_usable:
        return DirectFetcher()
    support = probe_link_support(cache.path, job.subdirectory(DATA))
    choice = choose_link_mode(
        isolation, is_root=os.geteuid() == 0, reflinks=support.reflinks, hard_links=support.hard_links
    )
    logger.info("Files of the cache of data get into DATA_DIR by %s: %s", choice.mode.value, choice.reason)
    return CachedFetcher(cache, choice.mode, job.subdirectory(DATA_FILES))


def _entries(source: PlannedSource) -> dict[EntryKey, int]:
    """Return the sizes of the entries that the files of *source* are, or become."""
    folder = source_id(source.account_url, source.container)
    named = ((entry_name(one.stored), one.size) for one in source.planned)
    return {(folder, name): size for name, size in named if name is not None}


def _is_there(folder: CacheFolder, key: EntryKey, size: int) -> bool:
    return folder.state(*key, size) in {EntryState.VALID, EntryState.UNVERIFIED}


def _removable_bytes(folder: CacheFolder, needed: Collection[EntryKey]) -> int:
    """Return the bytes of the entries that no training uses, and this one does not need."""
    with folder.locked():
        in_use = entries_in_use(folder.users)
        return sum(one.size for one in folder.files() if one.key not in in_use and one.key not in needed)
