"""Loads one source by way of the cache: reserves its entries, fills those that are missing, and places all of them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.data_cache.entries import CacheFolder, translate_errors
from airflow_dlaas.service.data_cache.entry_names import entry_name
from airflow_dlaas.service.data_cache.fetch import ListedFetcher, Unidentified
from airflow_dlaas.service.data_cache.fill import EntryFiller
from airflow_dlaas.service.data_cache.in_use import UseFile
from airflow_dlaas.service.data_cache.link_files import FilePlacer, Placement
from airflow_dlaas.service.data_cache.link_mode import LinkMode
from airflow_dlaas.service.data_cache.reservation import reserve
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.download import Downloader
from airflow_dlaas.storage.transfer.object_fetcher import DoneCallback, ObjectFetcher
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import ProgressCallback, ProgressTracker, WorkerPool

BATCH_SIZE = 100
"""Files that one work item places: to link a file takes less time than to take a work item from the queue."""


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


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """The arguments of `DataCache.materialize`, which explains them."""

    store: ObjectStore
    container: str
    planned: Sequence[PlannedDownload]
    placement: Placement
    options: CacheOptions

    def new_pool(self) -> WorkerPool:
        """Make a pool whose progress begins with nothing."""
        tracker = ProgressTracker(total_bytes(self.planned), len(self.planned), self.options.progress)
        return WorkerPool(tracker, self.options.threads)


class Materialization:
    """
    One use of the cache.

    :param placed: receives the names of objects whose files are there, and whether the object was fetched just now;
        also before an error.
    :raises HostError: the cache, or the folder of the job, cannot be used.
    """

    def __init__(
        self,
        folder: CacheFolder,
        limit: int,
        use_file: UseFile,
        request: LoadRequest,
        placed: dict[str, bool],
        logger: logging.Logger,
    ) -> None:
        self._folder = folder
        self._limit = limit
        self._use_file = use_file
        self._request = request
        self._placed = placed
        self._logger = logger
        self._pool = request.new_pool()
        self._used_ns = time.time_ns()
        self._lock = threading.Lock()
        with _translate_folder_errors(request.placement):
            self._placer = FilePlacer(request.placement)
        with translate_errors(folder):
            self._source = folder.add_source(request.options.account_url, request.container)
        store, container = request.store, request.container
        self._fetcher = ObjectFetcher(store, container, self._pool, request.options.segment_size)
        self._filler = EntryFiller(
            folder,
            self._source,
            ListedFetcher(store, container, self._fetcher, self._pool.tracker),
            self._pool,
            self._place_filled,
            logger,
        )

    def run(self) -> list[PlannedDownload]:
        """
        Place what the cache can have; return what has to be loaded without it.

        :raises HostError: the cache, or the folder of the job, cannot be used, or its disk is full.
        :raises StoreError: an object cannot be fetched.
        """
        planned = self._request.planned
        named = [(one, name) for one in planned if (name := entry_name(one.stored)) is not None]
        with translate_errors(self._folder):
            reservation = reserve(
                self._folder,
                self._limit,
                self._use_file,
                self._source,
                {name: one.size for one, name in named},
                reserved_bytes=self._copied_bytes(named),
                logger=self._logger,
            )
        valid = [pair for pair in named if pair[1] in reservation.valid]
        to_fill = [pair for pair in named if pair[1] in reservation.to_fill]
        for one in (planned for planned, name in named if name in reservation.damaged):
            self._logger.warning("The copy of %s in the cache of data is damaged; it is fetched again", one.stored.name)
        self._log(valid, to_fill, len(named))
        with self._fetcher:
            batches = (valid[start : start + BATCH_SIZE] for start in range(0, len(valid), BATCH_SIZE))
            self._pool.add([partial(self._place_valid, batch) for batch in batches])
            self._filler.fill(to_fill)
        return [one for one in planned if one.stored.name not in self._placed]

    def _copied_bytes(self, named: Iterable[tuple[PlannedDownload, str]]) -> int:
        """Return the bytes that the files of the job take on the disk of the cache, besides the entries."""
        placement = self._request.placement
        if placement.mode is not LinkMode.COPY:
            return 0
        is_same_disk = os.stat(placement.root).st_dev == os.stat(self._folder.path).st_dev
        return sum(one.size for one, _ in named) if is_same_disk else 0

    def _place_valid(self, batch: Iterable[tuple[PlannedDownload, str]]) -> None:
        for planned, name in batch:
            if self._place(planned, name, is_fetched=False):
                with translate_errors(self._folder):
                    self._folder.record_use(self._source, name, self._used_ns)

    def _place_filled(self, planned: PlannedDownload, name: str, is_fetched: bool) -> None:
        self._place(planned, name, is_fetched=is_fetched)

    def _place(self, planned: PlannedDownload, name: str, *, is_fetched: bool) -> bool:
        entry = self._folder.entry_path(self._source, name)
        try:
            with _translate_folder_errors(self._request.placement):
                self._placer.place(entry, planned.relative_path)
        except FileNotFoundError as error:
            if os.path.lexists(entry):
                raise HostError(f"{self._request.placement.root} does not exist any more") from error
            self._filler.refill(planned, name)  # it was removed since: by hand, or because it is damaged
            return False
        with self._lock:
            self._placed[planned.stored.name] = is_fetched
        self._pool.tracker.advance(0 if is_fetched else planned.size, file_count=1)
        return True

    def _log(
        self,
        valid: Sequence[tuple[PlannedDownload, str]],
        to_fill: Sequence[tuple[PlannedDownload, str]],
        cacheable: int,
    ) -> None:
        request = self._request
        self._logger.info(
            "%d of %d files of container %s, %d bytes, are in the cache of data on this machine",
            len(valid),
            len(request.planned),
            request.container,
            sum(one.size for one, _ in valid),
        )
        if oversized := cacheable - len(valid) - len(to_fill):
            self._logger.info(
                "%d files do not fit into the cache, whose limit is %d bytes, and are loaded without it",
                oversized,
                self._limit,
            )


def load_directly(request: LoadRequest, planned: Sequence[PlannedDownload]) -> None:
    """
    Load the *planned* objects, all or a part of those of *request*, into the folder of the job without a cache.

    Files that are there with this content stay. Each file has the content that was listed, if the listing has a digest.

    :raises HostError: the disk has too little space, or the folder cannot be written.
    :raises StoreError: an object cannot be fetched, or was replaced since it was listed.
    """
    missing = {one.stored.name for one in planned}
    pool, done = request.new_pool(), [one for one in request.planned if one.stored.name not in missing]
    pool.tracker.advance(total_bytes(done), file_count=len(done))
    store, container, size = request.store, request.container, request.options.segment_size
    with _translate_folder_errors(request.placement):
        request.placement.root.mkdir(parents=True, exist_ok=True)
    root = request.placement.root.resolve()
    with ObjectFetcher(store, container, pool, size) as fetcher:
        listed = ListedFetcher(store, container, fetcher, pool.tracker)

        def fetch(planned: PlannedDownload, target: Path, on_done: DoneCallback) -> None:
            try:
                listed.fetch(planned, target, lambda _: on_done(planned.size))
            except Unidentified:
                fetcher.fetch(planned, target, on_done)

        Downloader(store, container, root, ChecksumCache(), pool, size, fetch).download(planned)


def total_bytes(planned: Iterable[PlannedDownload]) -> int:
    """Return the bytes of all *planned* objects."""
    return sum(one.size for one in planned)


@contextmanager
def _translate_folder_errors(placement: Placement) -> Iterator[None]:
    """Raise HostError for an OSError of the folder of the job; FileNotFoundError is one of the cache."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise HostError(f"{placement.root} cannot be written: {error.strerror or error}") from error
