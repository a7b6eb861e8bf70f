"""
Fills the cache: each missing entry is fetched into a temporary file, verified, and added.

Each entry has a lock while it is filled, so that of several processes one fetches it, and the others wait. If that
process ends, the kernel releases the lock, and one that waits takes over; of a large object it fetches only the parts
that are missing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.service.data_cache.content import has_its_checksums, opened_entry, write_checksums
from airflow_dlaas.service.data_cache.entries import CacheFolder, EntryState, translate_errors
from airflow_dlaas.service.data_cache.fetch import ListedFetcher, Unidentified
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import TransferAborted, WorkerPool

POLL_INTERVAL = 0.2
"""Seconds between two looks at an entry that another process fills."""

DURABLE_SIZE = 128 * 1024**2
"""Bytes from which on content is written to the disk (`fsync`) when it is fetched."""

ReadyCallback = Callable[[PlannedDownload, str, bool], object]
"""Receives an entry that is there: its object, its name, and whether it was fetched just now."""


class EntryFiller:
    """
    Fills entries of one source by the work items of *pool*.

    :param fetcher: fetches an object to a file.
    :param on_ready: called once for each entry that is there, by any of the threads.
    """

    def __init__(
        self,
        folder: CacheFolder,
        source: str,
        fetcher: ListedFetcher,
        pool: WorkerPool,
        on_ready: ReadyCallback,
        logger: logging.Logger,
    ) -> None:
        self._folder = folder
        self._source = source
        self._fetcher = fetcher
        self._pool = pool
        self._on_ready = on_ready
        self._logger = logger
        self._used_ns = time.time_ns()
        self._lock = threading.Lock()
        self._held_locks: dict[str, ExitStack] = {}
        self._waiting: list[tuple[PlannedDownload, str]] = []
        self.unidentified: list[PlannedDownload] = []
        """Objects whose content the listing does not identify; they are not in the cache."""

    def fill(self, missing: Iterable[tuple[PlannedDownload, str]]) -> None:
        """
        Run all work items of the pool, and with them those that fill the *missing* entries (objects and names).

        :raises HostError: the folder of the cache cannot be written, or its disk is full.
        :raises StoreError: an object cannot be fetched, or was replaced since it was listed.
        """
        try:
            self._pool.add([partial(self._fill_or_postpone, one, name) for one, name in missing])
            self._pool.run()
            self._fill_postponed()
        finally:
            for lock in self._held_locks.values():
                lock.close()

    def refill(self, planned: PlannedDownload, name: str) -> None:
        """Fill an entry that has disappeared, while the pool runs."""
        self._pool.add([partial(self._fill_or_postpone, planned, name)])

    def _fill_postponed(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            self._logger.info(
                "The loading waits for %d files, %d bytes, which another training on this machine is loading",
                len(waiting),
                sum(one.size for one, _ in waiting),
            )
            self._pool.add([partial(self._wait_and_fill, one, name) for one, name in waiting])
            self._pool.run()

    def _fill_or_postpone(self, planned: PlannedDownload, name: str) -> None:
        if not self._try_to_fill(planned, name):
            with self._lock:
                self._waiting.append((planned, name))

    def _wait_and_fill(self, planned: PlannedDownload, name: str) -> None:
        while not self._try_to_fill(planned, name):
            time.sleep(POLL_INTERVAL)
            if self._pool.tracker.is_aborted:
                raise TransferAborted

    def _try_to_fill(self, planned: PlannedDownload, name: str) -> bool:
        """Fill one entry, or begin to fill a large one; return False if another process is filling it."""
        with translate_errors(self._folder), ExitStack() as lock:
            is_there = self._folder.state(self._source, name, planned.size) is EntryState.VALID
            if not is_there:
                try:
                    lock.enter_context(file_lock(self._folder.fill_lock(self._source, name), timeout=0, unlink=True))
                except BlockingIOError:
                    return False
                is_there = self._has_valid_entry(planned, name)
            if not is_there:
                self._fetch(planned, name, lock.pop_all())
                return True
        self._on_ready(planned, name, False)
        return True

    def _has_valid_entry(self, planned: PlannedDownload, name: str) -> bool:
        """Return whether the locked entry is there, and verify it if needed; remove a damaged one."""
        state = self._folder.state(self._source, name, planned.size)
        if state is EntryState.UNVERIFIED and self._verify(name):
            return True
        if state in {EntryState.UNVERIFIED, EntryState.DAMAGED}:
            self._logger.warning(
                "The cached content of %s is damaged; it is removed and fetched again", planned.stored.name
            )
            self._folder.remove(self._source, name)
        return state is EntryState.VALID

    def _verify(self, name: str) -> bool:
        with opened_entry(self._folder.entry_path(self._source, name)) as descriptor:
            if not has_its_checksums(self._folder, self._source, name, descriptor, self._stop_if_aborted):
                return False
            self._folder.mark_durable(self._source, name)
            return True

    def _stop_if_aborted(self, _: int) -> None:
        if self._pool.tracker.is_aborted:
            raise TransferAborted

    def _fetch(self, planned: PlannedDownload, name: str, lock: ExitStack) -> None:
        """Fetch the entry of which *lock* is held; it is released when the entry is there, or the fill ends."""
        with self._lock:
            self._held_locks[name] = lock
        target = self._folder.filling_path(self._source, name)
        try:
            self._fetcher.fetch(planned, target, partial(self._add, planned, name, target))
        except Unidentified:
            with self._lock:
                self.unidentified.append(planned)
            lock.close()

    def _add(self, planned: PlannedDownload, name: str, target: Path, parts: Sequence[Part]) -> None:
        with translate_errors(self._folder):
            if parts:
                write_checksums(self._folder, self._source, name, parts)
            # A large object is not to be read again after a restart of the machine (`verified_mark`).
            durable = planned.size >= DURABLE_SIZE
            if durable:
                _sync(target)
            self._folder.add(target, self._source, name, self._used_ns, durable=durable)
        with self._lock:
            lock = self._held_locks.pop(name)
        lock.close()
        self._on_ready(planned, name, True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
