"""How planned objects get into the folder of a source, with the cache of the machine or without one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airflow_dlaas.service.learner.disk_room import RoomNeeded

if TYPE_CHECKING:
    from airflow_dlaas.storage.open_object_store import OpenedStore
    from airflow_dlaas.storage.transfer.plan import PlannedDownload
    from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback


@dataclass(frozen=True, slots=True)
class PlannedSource:
    """The files of one source, and where they go."""

    store: OpenedStore
    account_url: str
    """What identifies the account that the container is in; it has no secret."""
    container: str
    planned: Sequence[PlannedDownload]
    root: Path
    """The folder of the source in DATA_DIR."""
    folder: str
    """The same, relative to DATA_DIR."""


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What came from the cache of the machine."""

    cached_files: int = 0
    cached_bytes: int = 0


class DataFetcher(Protocol):
    """Puts the files of sources into their folders."""

    def room_needed(self, sources: Sequence[PlannedSource]) -> Sequence[RoomNeeded]:
        """Return the bytes that `fetch` will write for all *sources*, by the folder that they are written below."""

    def fetch(self, source: PlannedSource, progress: ProgressCallback) -> FetchReport:
        """
        Put the files of *source* into its folder, each one verified. Safe to repeat.

        :raises StoreError: an object cannot be fetched.
        :raises HostError: a folder cannot be written.
        """


@dataclass(frozen=True, slots=True)
class DirectFetcher:
    """Downloads every file into the folder of its source. A file that an interrupted attempt has left stays."""

    threads: int | None = None
    """Transfers at the same time; None adapts the number."""

    def room_needed(self, sources: Sequence[PlannedSource]) -> Sequence[RoomNeeded]:
        """See `DataFetcher.room_needed`."""
        return [RoomNeeded(one.root, sum(map(_missing_bytes(one.root), one.planned))) for one in sources]

    def fetch(self, source: PlannedSource, progress: ProgressCallback) -> FetchReport:
        """See `DataFetcher.fetch`."""
        from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
        from airflow_dlaas.storage.transfer.download import Downloader, ensure_folder
        from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

        tracker = ProgressTracker(sum(one.size for one in source.planned), len(source.planned), progress)
        pool, root = WorkerPool(tracker, self.threads), ensure_folder(source.root).resolve()
        with ChecksumCache() as checksum_cache:
            Downloader(source.store, source.container, root, checksum_cache, pool).download(source.planned)
        return FetchReport()


def _missing_bytes(root: Path) -> Callable[[PlannedDownload], int]:
    def missing(planned: PlannedDownload) -> int:
        try:
            is_there = (root / planned.relative_path).stat().st_size == planned.size
        except OSError:
            is_there = False
        return 0 if is_there else planned.size

    return missing
