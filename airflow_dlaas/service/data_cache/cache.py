"""The cache as a learner uses it: puts planned objects into a job's folder, each fetched at most once per machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas.service.data_cache.link_mode import LinkMode
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.download import Downloader
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback, ProgressTracker, WorkerPool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the files of one source go."""

    root: Path
    """The folder of the source in DATA_DIR."""
    tree: Path
    """With `LinkMode.SYMLINK`: a folder of the job alone, which its command can only read, for the hard links."""
    mode: LinkMode


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """How one source is loaded."""

    account_url: str
    """The account of the store (`OpenedStore.account_url`); objects of different accounts are different entries."""
    progress: ProgressCallback | None = None
    """Called after every step; the totals are those of the source, and cached files count as done."""
    threads: int | None = None
    """Files, or parts of large files, that are transferred at the same time; None adapts the number to the speed."""
    segment_size: int = DEFAULT_SEGMENT_SIZE
    """Bytes of the ranges in which a large object that is stored in one piece is fetched."""


@dataclass(frozen=True, slots=True)
class CacheReport:
    """What one call of `DataCache.materialize` did; the three kinds of files add up to those of the plan."""

    cached_files: int = 0
    """Files that were in the cache, or that another training loaded into it meanwhile."""
    cached_bytes: int = 0
    fetched_files: int = 0
    """Files that were fetched into the cache."""
    fetched_bytes: int = 0
    direct_files: int = 0
    """Files that were loaded without the cache."""
    direct_bytes: int = 0


class DataCache:
    """
    The cache at *path*; a context manager, which a learner holds while its command may read the data.

    Several processes, also of several services, may use one folder at the same time. A folder that cannot be used is
    no error: the data is then loaded without it, and the log has one warning.

    :param limit: bytes of content, at most.
    """

    def __init__(self, path: Path, limit: int, logger: logging.Logger) -> None:
        self._path = path
        self._limit = limit
        self._logger = logger

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the use of the entries: they may be removed from now on. Linked files keep their content."""

    def materialize(
        self,
        store: ObjectStore,
        container: str,
        planned: Sequence[PlannedDownload],
        placement: Placement,
        options: CacheOptions,
    ) -> CacheReport:
        """
        Put the *planned* objects of *container* into the folder ``placement.root``; each file there is verified.

        Safe to repeat: files that a former call has left are replaced.

        :raises HostError: a disk is full, or a folder of the job cannot be written.
        :raises StoreError: an object cannot be fetched, or was replaced since it was listed.
        """
        placement.root.mkdir(parents=True, exist_ok=True)
        tracker = ProgressTracker(sum(one.size for one in planned), len(planned), options.progress)
        pool = WorkerPool(tracker, options.threads)
        Downloader(store, container, placement.root.resolve(), ChecksumCache(), pool, options.segment_size).download(
            planned
        )
        return CacheReport(direct_files=len(planned), direct_bytes=total_bytes(planned))


def total_bytes(planned: Sequence[PlannedDownload]) -> int:
    """Return the bytes of all *planned* objects."""
    return sum(one.size for one in planned)
