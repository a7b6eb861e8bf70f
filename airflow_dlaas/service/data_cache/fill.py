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

from airflow_dlaas._util.file_lock import acquire_file_lock, file_lock
from airflow_dlaas.service.data_cache.content import has_its_checksums, opened_entry, write_checksums
from airflow_dlaas.service.data_cache.entries import CacheFolder, EntryState, remove_if_unlocked, translate_errors
from airflow_dlaas.service.data_cache.fetch import ListedFetcher, Unidentified
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import TransferAborted, WorkerPool

POLL_INTERVAL = 0.2
"""Seconds between two looks at an entry that another process fills."""

ReadyCallback = Callable[[PlannedDownload, str, bool], object]
"""Receives an entry that is there: its object, its name, and whether it was fetched just now."""


class EntryFiller:
    """
    Fills entries of one source by the work items of *pool*.

    :param fetcher: fetches an object to a file.
    :param on_ready: called once for each entry that is there, by any of the threads; not for an object whose content
        the listing does not identify.
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

    def fill(self, missing: Iterable[tuple[PlannedDownload, str]]) -> None:
        """
        Run all work items of the pool, and with them those that fill the *missing* entries (objects and names).

        :raises HostError: the folder of the cache cannot be written, or its disk is full.
        :raises StoreError: an object cannot be fetched, or was replaced since it was listed.
        """
        try:
            # Behind the files that need no download: what is left of the progress then is what is fetched.
            self._pool.append([partial(self._fill_or_postpone, one, name) for one, name in missing])
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
        """Fill one entry, or begin to fill it in parts; return False if another process is filling it."""
        with translate_errors(self._folder):
            if self._folder.state(self._source, name, planned.size) is EntryState.VALID:
                is_fetched: bool | None = False
            else:
                fill = self._fill_in_parts if self._fetcher.is_in_parts(planned) else self._fill_piece
                try:
                    is_fetched = fill(planned, name)
                except BlockingIOError:
                    return False
        if is_fetched is not None:
            self._on_ready(planned, name, is_fetched)
        return True

    def _fill_piece(self, planned: PlannedDownload, name: str) -> bool | None:
        """
        Fill an entry from one request; return whether it was fetched, and None if it cannot be cached.

        The file that is fetched is its own lock. A separate one would be removed for each object, and ext4 becomes slow
        where thousands of files have just been removed.

        :raises BlockingIOError: another process is filling it.
        """
        target = self._folder.filling_path(self._source, name)
        descriptor = _lock(target)
        is_added = False
        try:
            if self._has_valid_entry(planned, name):
                return False
            os.ftruncate(descriptor, 0)
            self._fetcher.fetch_into(planned, descriptor)
            self._folder.add(target, self._source, name, self._used_ns)
            is_added = True
        except Unidentified:
            return None
        finally:
            if not is_added:
                target.unlink(missing_ok=True)
            os.close(descriptor)
        return True

    def _fill_in_parts(self, planned: PlannedDownload, name: str) -> bool | None:
        """Begin to fill an entry by further work items; return False if it is there, and otherwise None."""
        with ExitStack() as lock:
            lock.enter_context(file_lock(self._folder.fill_lock(self._source, name), timeout=0, unlink=True))
            if self._has_valid_entry(planned, name):
                return False
            with self._lock:
                self._held_locks[name] = lock.pop_all()
        target = self._folder.filling_path(self._source, name)
        try:
            self._fetcher.fetch(planned, target, partial(self._add_parts, planned, name, target))
        except Unidentified:
            self._release(name)
        return None

    def _release(self, name: str) -> None:
        with self._lock:
            lock = self._held_locks.pop(name)
        lock.close()

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

    def _add_parts(self, planned: PlannedDownload, name: str, target: Path, parts: Sequence[Part]) -> None:
        with translate_errors(self._folder):
            if parts:
                write_checksums(self._folder, self._source, name, parts)
            _sync(target)  # a large object is not to be read again after a restart of the machine (`verified_mark`)
            self._folder.add(target, self._source, name, self._used_ns, durable=True)
        self._release(name)
        self._on_ready(planned, name, True)


def _lock(path: Path) -> int:
    try:
        return acquire_file_lock(path, timeout=0)
    except PermissionError:
        # A process was killed after it had removed the write permission, and before it renamed the file.
        if not remove_if_unlocked(path):
            raise BlockingIOError from None
        return acquire_file_lock(path, timeout=0)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
