"""Carrying out a plan to send: what is unchanged stays, the rest goes, several at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from airflow_dlaas.contract.store_names import has_dot_component
from airflow_dlaas.exceptions import Corrupted, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import BytesBody, md5_of
from airflow_dlaas.storage.object_store import ObjectStore, StoredObject
from airflow_dlaas.storage.segments import owned_segments, segment_container
from airflow_dlaas.storage.sources.local import SourceFile
from airflow_dlaas.storage.transfer.change_detection import cached_md5, is_unchanged
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.multipart_upload import MultipartUpload, delete_orphan_segments, replaced_segments
from airflow_dlaas.storage.transfer.plan import MAX_REMOTE_BUFFER, PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkerPool

MAX_LOCAL_BUFFER = 1024**2
"""Bytes of a local file that is read once, to be hashed and sent; a larger one is read for each, in pieces."""

DELETE_BATCH_SIZE = 1000
"""Objects deleted by one job."""


class Uploader:
    """One transfer to a container; told what to send and what to delete, counts what it did."""

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        checksum_cache: ChecksumCache,
        tracker: ProgressTracker,
        pool: WorkerPool,
    ) -> None:
        self._store = store
        self._container = container
        self._checksum_cache = checksum_cache
        self._tracker = tracker
        self._pool = pool
        self._lock = threading.Lock()
        self._multipart_uploads: list[MultipartUpload] = []
        self._sent_sizes: list[int] = []
        self.unchanged: list[PlannedUpload] = []
        """What turned out to be there already."""

    @property
    def files(self) -> int:
        """Files sent."""
        return len(self._sent_sizes) + len(self._multipart_uploads)

    @property
    def bytes(self) -> int:
        """Bytes sent, those of failed attempts left out."""
        return sum(self._sent_sizes) + sum(one.bytes_sent for one in self._multipart_uploads)

    def upload(self, planned: Sequence[PlannedUpload]) -> None:
        """Send what has changed; returns when it is there."""
        self._pool.add(partial(self._upload_file, send) for send in planned)
        self._pool.run()

    def compare(self, planned: Sequence[PlannedUpload]) -> None:
        """Only find out what has changed."""
        self._pool.add(partial(self._skip_if_unchanged, send) for send in planned)
        self._pool.run()

    def delete(self, objects: Sequence[StoredObject]) -> None:
        """
        Delete objects, with the segments that only they consist of.

        The segments of an object whose name has a step ``.`` or ``..`` stay: no request can ask what it consists of.
        """
        large = [one for one in objects if one.slo_etag and not has_dot_component(one.name)]
        plain = [one.name for one in objects if not one.slo_etag or has_dot_component(one.name)]
        batches = [plain[start : start + DELETE_BATCH_SIZE] for start in range(0, len(plain), DELETE_BATCH_SIZE)]
        self._pool.add(partial(self._store.delete, self._container, batch) for batch in batches)
        self._pool.add(partial(self._delete_segmented, one) for one in large)
        self._pool.run()

    def _upload_file(self, planned: PlannedUpload) -> None:
        if self._skip_if_unchanged(planned):
            return
        if planned.segment_size:
            large = MultipartUpload(self._store, self._container, planned, self._checksum_cache, self._tracker)
            self._multipart_uploads.append(large)
            self._pool.add(large.plan_tasks())
            return
        before = replaced_segments(self._store, self._container, planned)
        self._put_file(planned.source.name, planned.source.file)
        delete_orphan_segments(self._store, self._container, planned.source.name, before)
        with self._lock:
            self._sent_sizes.append(planned.source.size)
        self._tracker.advance(0, file_count=1)

    def _skip_if_unchanged(self, planned: PlannedUpload) -> bool:
        if not is_unchanged(self._store, self._container, planned, self._checksum_cache):
            return False
        with self._lock:
            self.unchanged.append(planned)
        self._tracker.advance(planned.source.size, file_count=1)
        return True

    def _put_file(self, name: str, file: SourceFile) -> None:
        advance = self._tracker.advance
        held = (
            self._read_into_memory(file)
            if file.size <= (MAX_LOCAL_BUFFER if file.is_local else MAX_REMOTE_BUFFER)
            else None
        )
        if held is not None:
            self._checksum_cache.set_md5s(file, 0, [self._store.put(self._container, name, held, on_progress=advance)])
        elif file.is_local and file.has_changed():
            self._store.put(self._container, name, Path(file.location), on_progress=advance)
        elif file.is_local:
            md5 = cached_md5(file, self._checksum_cache)
            self._store.put(self._container, name, Path(file.location), md5=md5, on_progress=advance)
        else:
            content = file.part(0, file.size)
            self._store.put(self._container, name, content, md5=md5_of(content), on_progress=advance)

    def _read_into_memory(self, file: SourceFile) -> BytesBody | None:
        """Read all of *file*; None where it is here, and was written since it was found: there may be more of it."""
        with suppress(Corrupted):
            data = b"".join(map(bytes, file.part(0, file.size).chunks()))
            if (
                not file.is_local and file.size > MAX_LOCAL_BUFFER and file.has_changed()
            ):  # it was read in more than one request
                raise StoreError(f"{file.location} was written while it was being read: let it be written first")
            if not (file.is_local and file.has_changed()):
                return BytesBody(data)
        return None

    def _delete_segmented(self, stored: StoredObject) -> None:
        segments: set[str] = set()
        with suppress(ObjectNotFound):  # somebody else is deleting it
            segments = owned_segments(
                self._container, stored.name, self._store.get_layout(self._container, stored.name).parts
            )
        self._store.delete(self._container, [stored.name])
        self._store.delete(segment_container(self._container), sorted(segments))
