"""The upload of planned files: those that did not change are skipped, the others are sent in parallel."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted, StoreError
from airflow_dlaas.storage.body import BytesBody, md5_of
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.sources.local import SourceFile
from airflow_dlaas.storage.transfer.change_detection import cached_md5, is_unchanged
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.multipart_upload import MultipartUpload
from airflow_dlaas.storage.transfer.plan import MAX_REMOTE_BUFFER, PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import WorkerPool

MAX_LOCAL_BUFFER = 1024**2
"""Bytes of a local file that is read once, to be hashed and sent; a larger one is read in pieces, once for each."""


class Uploader:
    """Uploads planned files to one container and counts them. It sends nothing when it is made."""

    def __init__(self, store: ObjectStore, container: str, checksum_cache: ChecksumCache, pool: WorkerPool) -> None:
        self.pool = pool
        """Runs the uploads; its tracker receives their progress."""
        self.unchanged: list[PlannedUpload] = []
        """The files whose content is already stored."""
        self._store = store
        self._container = container
        self._checksum_cache = checksum_cache
        self._lock = threading.Lock()
        self._multipart_uploads: list[MultipartUpload] = []
        self._sent_sizes: list[int] = []

    @property
    def files(self) -> int:
        """Files sent."""
        return len(self._sent_sizes) + len(self._multipart_uploads)

    @property
    def bytes(self) -> int:
        """Bytes sent, without those of failed attempts."""
        return sum(self._sent_sizes) + sum(one.bytes_sent for one in self._multipart_uploads)

    def upload(self, planned: Sequence[PlannedUpload]) -> None:
        """Upload the files that have changed; return when they are stored."""
        self.pool.add(partial(self._upload_file, one) for one in planned)
        self.pool.run()

    def compare(self, planned: Sequence[PlannedUpload]) -> None:
        """Only find out which files have not changed."""
        self.pool.add(partial(self._skip_if_unchanged, one) for one in planned)
        self.pool.run()

    def _upload_file(self, planned: PlannedUpload) -> None:
        if self._skip_if_unchanged(planned):
            return
        tracker = self.pool.tracker
        if planned.segment_size:
            multipart = MultipartUpload(self._store, self._container, planned, self._checksum_cache, tracker)
            self._multipart_uploads.append(multipart)
            self.pool.add(multipart.plan_tasks())
            return
        with ExitStack() as replacing:
            if planned.stored is not None:
                replacing.enter_context(self._store.replacing(self._container, planned.source.name, planned.stored))
            self._put_file(planned.source.name, planned.source.file)
        with self._lock:
            self._sent_sizes.append(planned.source.size)
        tracker.advance(0, file_count=1)

    def _skip_if_unchanged(self, planned: PlannedUpload) -> bool:
        if not is_unchanged(self._store, self._container, planned, self._checksum_cache):
            return False
        with self._lock:
            self.unchanged.append(planned)
        self.pool.tracker.advance(planned.source.size, file_count=1)
        return True

    def _put_file(self, name: str, file: SourceFile) -> None:
        advance = self.pool.tracker.advance
        max_buffer = MAX_LOCAL_BUFFER if file.is_local else MAX_REMOTE_BUFFER
        content = self._read_into_memory(file) if file.size <= max_buffer else None
        if content is not None:
            md5 = self._store.put(self._container, name, content, on_progress=advance)
            self._checksum_cache.set_md5s(file, 0, [md5])
        elif file.is_local and file.has_changed():
            self._store.put(self._container, name, Path(file.location), on_progress=advance)
        elif file.is_local:
            md5 = cached_md5(file, self._checksum_cache)
            self._store.put(self._container, name, Path(file.location), md5=md5, on_progress=advance)
        else:
            body = file.part(0, file.size)
            self._store.put(self._container, name, body, md5=md5_of(body), on_progress=advance)

    def _read_into_memory(self, file: SourceFile) -> BytesBody | None:
        """Read all of *file*; None for a local file that was written since it was found: it may be longer now."""
        with suppress(Corrupted):
            data = b"".join(map(bytes, file.part(0, file.size).chunks()))
            # A remote file above this size was read by more than one request.
            if not file.is_local and file.size > MAX_LOCAL_BUFFER and file.has_changed():
                raise StoreError(f"{file.location} was written while it was being read: upload it when it is complete")
            if not (file.is_local and file.has_changed()):
                return BytesBody(data)
        return None
