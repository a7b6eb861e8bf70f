"""The fetch of objects into files by the work items of a pool: small ones whole, large ones in parts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, is_large, split_ranges
from airflow_dlaas.storage.transfer.part_file import PartFile
from airflow_dlaas.storage.transfer.plan import PlannedDownload
from airflow_dlaas.storage.transfer.worker_pool import WorkerPool, WorkItem

logger = logging.getLogger(__name__)

DoneCallback = Callable[[int], object]
"""Receives the number of fetched bytes: less than the size, if an interrupted attempt had fetched the rest."""

FetchObject = Callable[[PlannedDownload, Path, DoneCallback], object]
"""Fetches an object to a file, as `ObjectFetcher.fetch` does."""


class ObjectFetcher:
    """
    Fetches objects of one container. Use it as a context manager: the end closes the files of interrupted fetches.

    :param pool: runs the fetches; its tracker receives the bytes.
    :param segment_size: bytes of the ranges in which a large object that is stored in one piece is fetched.
    """

    def __init__(
        self, store: ObjectStore, container: str, pool: WorkerPool, segment_size: int = DEFAULT_SEGMENT_SIZE
    ) -> None:
        self.segment_size = segment_size
        self._store = store
        self._container = container
        self._pool = pool
        self._lock = threading.Lock()
        self._open_part_files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_part_files.close()

    def fetch(self, planned: PlannedDownload, target: Path, on_done: DoneCallback) -> None:
        """
        Fetch one object to *target*, whose folder exists; call it in a work item of the pool.

        A small object is there when this returns. A large one is fetched by further work items; an interrupted fetch
        of it is resumed.

        :param on_done: called by the last work item, when the file is complete and verified.
        """
        if not is_large(planned.size, self.segment_size):
            name = planned.stored.name
            self._store.get(self._container, name, target, on_progress=self._pool.tracker.advance)
            on_done(planned.size)
            return
        self.fetch_parts(planned, target, self._store.get_layout(self._container, planned.stored.name), on_done)

    def fetch_parts(self, planned: PlannedDownload, target: Path, layout: ObjectLayout, on_done: DoneCallback) -> None:
        """Fetch the object with *layout* in parts, as `fetch` does with a large one."""
        self._pool.add(self._part_downloads(planned, target, layout, on_done))

    def _part_downloads(
        self,
        planned: PlannedDownload,
        target: Path,
        layout: ObjectLayout,
        on_done: DoneCallback,
        *,
        is_retry: bool = False,
    ) -> list[WorkItem]:
        parts = [part for part in layout.parts if part.size] or list(split_ranges(layout.size, self.segment_size))
        file = PartFile(target, layout, parts)
        with self._lock:
            self._open_part_files.callback(file.close)
        missing = file.missing_parts()
        self._pool.tracker.advance(planned.size - sum(parts[number].size for number in missing))
        fetched_bytes = sum(parts[number].size for number in missing)

        def commit() -> None:
            try:
                file.commit()
            except Corrupted as error:
                if is_retry:
                    raise
                # Only the whole content has an MD5, so the damaged part is unknown: all parts are fetched again.
                logger.warning(
                    "Downloading %s/%s failed (%s); retrying all parts now (attempt 2 of 2)",
                    self._container,
                    planned.stored.name,
                    error,
                )
                self._pool.tracker.advance(-planned.size)
                self._pool.add(self._part_downloads(planned, target, layout, on_done, is_retry=True))
            else:
                on_done(fetched_bytes)

        if not missing:
            commit()
            return []
        remaining = set(missing)

        def download_one(number: int) -> None:
            self._download_part(planned, layout, parts[number], file)
            file.mark_done(number)
            with self._lock:
                remaining.discard(number)
                is_last = not remaining
            if is_last:
                commit()

        return [partial(download_one, number) for number in missing]

    def _download_part(self, planned: PlannedDownload, layout: ObjectLayout, part: Part, file: PartFile) -> None:
        name, advance = planned.stored.name, self._pool.tracker.advance
        self._store.get_part(self._container, name, layout, part, file.write, on_progress=advance)
