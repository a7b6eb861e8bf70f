"""Carrying out a plan to fetch: what is there unchanged stays, the rest comes, several at a time."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted, HostError, StoreError
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, is_large, segment_size_for, split_ranges
from airflow_dlaas.storage.sources.local import LocalFile, Source
from airflow_dlaas.storage.transfer.change_detection import is_unchanged
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.part_file import PartFile, find_part_files
from airflow_dlaas.storage.transfer.plan import PlannedDownload, PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool, WorkItem


class Downloader:
    """One transfer from a container into the folder *root*."""

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        root: Path,
        checksum_cache: ChecksumCache,
        tracker: ProgressTracker,
        pool: WorkerPool,
        segment_size: int = DEFAULT_SEGMENT_SIZE,
    ) -> None:
        self._store = store
        self._container = container
        self._root = root
        self._checksum_cache = checksum_cache
        self._tracker = tracker
        self._pool = pool
        self._segment_size = segment_size
        self._lock = threading.Lock()
        self._open_part_files = ExitStack()
        self.files = self.bytes = self.unchanged = 0
        """What was fetched, and how many files were there unchanged."""

    def download(self, planned: Sequence[PlannedDownload]) -> None:
        """
        Fetch what is missing or differs; returns when it is there.

        :raises HostError: the disk has no room for what is missing; nothing was fetched.
        """
        needed = sum(self._required_space(fetch) for fetch in planned)
        free = shutil.disk_usage(self._root).free
        if needed > free:
            raise HostError(
                f"{self._root} has {free:,} bytes of room, and what is missing there needs {needed:,}: make room, or "
                "fetch to another disk"
            )
        targets = [self._root / fetch.relative_path for fetch in planned]
        self._checksum_cache.prefetch(LocalFile.from_stat(str(one), one.stat()) for one in targets if one.is_file())
        with self._open_part_files:
            self._pool.add(partial(self._download_file, fetch) for fetch in planned)
            self._pool.run()

    def _required_space(self, planned: PlannedDownload) -> int:
        """Bytes of room that a file needs; what is left of an attempt that broke off has some already."""
        target = self._root / planned.relative_path
        try:
            if target.stat().st_size == planned.size:
                return 0  # perhaps it has changed; then it makes its own room when it is replaced
        except OSError:
            pass
        if not is_large(planned.size, self._segment_size):
            return planned.size
        return max(0, planned.size - sum(left.stat().st_blocks * 512 for left in find_part_files(target)))

    def _download_file(self, planned: PlannedDownload) -> None:
        target = self._root / planned.relative_path
        if not target.parent.resolve().is_relative_to(self._root):
            raise StoreError(
                f"{target.parent} is a link that leaves {self._root}: {planned.stored.name!r} is not fetched"
            )
        ensure_folder(target.parent)
        if self._is_up_to_date(target, planned):
            self._tracker.advance(planned.size, file_count=1)
            with self._lock:
                self.unchanged += 1
            return
        if is_large(planned.size, self._segment_size):
            self._pool.add(self._part_downloads(target, planned))
            return
        self._store.get(self._container, planned.stored.name, target, on_progress=self._tracker.advance)
        self._record_done(planned.size)

    def _is_up_to_date(self, target: Path, planned: PlannedDownload) -> bool:
        if not target.is_file():
            return False
        here = LocalFile.from_stat(str(target), target.stat())
        cut = segment_size_for(here.size, self._store.limits(), self._segment_size) if planned.stored.slo_etag else 0
        same = PlannedUpload(Source(planned.stored.name, here), planned.stored, cut)
        return is_unchanged(self._store, self._container, same, self._checksum_cache)

    def _part_downloads(self, target: Path, planned: PlannedDownload, *, is_retry: bool = False) -> list[WorkItem]:
        shape = self._store.get_layout(self._container, planned.stored.name)
        parts = [part for part in shape.parts if part.size] or list(split_ranges(shape.size, self._segment_size))
        file = PartFile(target, shape, parts)
        with self._lock:
            self._open_part_files.callback(file.close)
        missing = file.missing_parts()
        self._tracker.advance(planned.size - sum(parts[number].size for number in missing))
        if not missing:
            self._commit(target, planned, file, 0, is_retry=is_retry)
            return []
        left = set(missing)

        def one(number: int) -> None:
            self._download_part(planned, shape, parts[number], file)
            file.mark_done(number)
            with self._lock:
                left.discard(number)
                last = not left
            if last:
                self._commit(target, planned, file, sum(parts[number].size for number in missing), is_retry=is_retry)

        return [partial(one, number) for number in missing]

    def _download_part(self, planned: PlannedDownload, layout: ObjectLayout, part: Part, file: PartFile) -> None:
        name = planned.stored.name
        self._store.get_part(self._container, name, layout, part, file.write, on_progress=self._tracker.advance)

    def _commit(self, target: Path, planned: PlannedDownload, file: PartFile, size: int, *, is_retry: bool) -> None:
        try:
            file.commit()
        except Corrupted:
            if is_retry:
                raise
            # Which part is damaged nobody can tell where only the whole has an MD5.
            self._tracker.advance(-planned.size)
            self._pool.add(self._part_downloads(target, planned, is_retry=True))
        else:
            self._record_done(size)

    def _record_done(self, size: int) -> None:
        with self._lock:
            self.files += 1
            self.bytes += size
        self._tracker.advance(0, file_count=1)


def ensure_folder(path: Path) -> Path:
    """Make *path* a folder."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HostError(f"The folder {path} cannot be made: {error.strerror or error}") from error
    return path
