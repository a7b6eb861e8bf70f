"""The download of planned objects: files that did not change are skipped, the others are fetched in parallel."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from airflow_dlaas.exceptions import HostError, StoreError
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, is_large, segment_size_for
from airflow_dlaas.storage.sources.local import LocalFile, Source
from airflow_dlaas.storage.transfer.change_detection import is_unchanged
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.object_fetcher import FetchObject, ObjectFetcher
from airflow_dlaas.storage.transfer.part_file import find_part_files
from airflow_dlaas.storage.transfer.plan import PlannedDownload, PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import WorkerPool

BLOCK_SIZE = 512
"""Bytes of a unit of ``st_blocks`` (POSIX leaves it open; Linux has this one)."""


class Downloader:
    """
    Downloads planned objects of one container into the folder *root*, and counts them.

    :param pool: runs the downloads; its tracker receives their progress.
    :param segment_size: bytes of the ranges in which a large object that is stored in one piece is fetched.
    :param fetch: fetches one object; the default is `ObjectFetcher.fetch`.
    """

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        root: Path,
        checksum_cache: ChecksumCache,
        pool: WorkerPool,
        segment_size: int = DEFAULT_SEGMENT_SIZE,
        fetch: FetchObject | None = None,
    ) -> None:
        self._store = store
        self._container = container
        self._root = root
        self._checksum_cache = checksum_cache
        self._pool = pool
        self._segment_size = segment_size
        self._fetcher = ObjectFetcher(store, container, pool, segment_size)
        self._fetch = fetch or self._fetcher.fetch
        self._lock = threading.Lock()
        self.files = self.bytes = self.unchanged = 0
        """Files and bytes that were fetched, and files that did not change."""

    def download(self, planned: Sequence[PlannedDownload]) -> None:
        """
        Fetch the objects that are missing or differ; return when they are there.

        :raises HostError: the disk has too little space for what is missing; nothing was fetched.
        """
        needed = sum(self._required_space(one) for one in planned)
        free = shutil.disk_usage(self._root).free
        if needed > free:
            raise HostError(
                f"{self._root} has {free:,} bytes of free space, and the missing files need {needed:,}: free some "
                "space, or download to another disk"
            )
        targets = [self._root / one.relative_path for one in planned]
        self._checksum_cache.prefetch(LocalFile.from_stat(str(one), one.stat()) for one in targets if one.is_file())
        with self._fetcher:
            self._pool.add(partial(self._download_file, one) for one in planned)
            self._pool.run()

    def _required_space(self, planned: PlannedDownload) -> int:
        """Return the bytes of disk space that a file still needs, less what an interrupted attempt has written."""
        target = self._root / planned.relative_path
        try:
            if target.stat().st_size == planned.size:
                return 0  # if its content has changed, replacing it frees the space of the old content
        except OSError:
            pass
        if not is_large(planned.size, self._segment_size):
            return planned.size
        return max(0, planned.size - sum(one.stat().st_blocks * BLOCK_SIZE for one in find_part_files(target)))

    def _download_file(self, planned: PlannedDownload) -> None:
        target = self._root / planned.relative_path
        if not target.parent.resolve().is_relative_to(self._root):
            raise StoreError(
                f"{target.parent} is a link that leaves {self._root}: {planned.stored.name!r} is not fetched"
            )
        ensure_folder(target.parent)
        if self._is_up_to_date(target, planned):
            self._pool.tracker.advance(planned.size, file_count=1)
            with self._lock:
                self.unchanged += 1
            return
        self._fetch(planned, target, self._record_done)

    def _is_up_to_date(self, target: Path, planned: PlannedDownload) -> bool:
        if not target.is_file():
            return False
        file, stored = LocalFile.from_stat(str(target), target.stat()), planned.stored
        has_parts = stored.slo_etag or stored.multipart_etag
        segment_size = segment_size_for(file.size, self._store.limits(), self._segment_size) if has_parts else 0
        reverse = PlannedUpload(Source(stored.name, file), stored, segment_size)
        return is_unchanged(self._store, self._container, reverse, self._checksum_cache)

    def _record_done(self, size: int) -> None:
        with self._lock:
            self.files += 1
            self.bytes += size
        self._pool.tracker.advance(0, file_count=1)


def ensure_folder(path: Path) -> Path:
    """Create the folder *path* with its parents, unless it exists."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"The folder {path} cannot be created: {error.strerror or error}") from error
    return path
