"""The upload of one large file in parts, in parallel; it resumes an interrupted upload."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore, PartsUpload
from airflow_dlaas.storage.segments import split_ranges
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.plan import PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkItem


class MultipartUpload:
    """
    The upload of one large file.

    The object of this name changes in one step, when every part is stored. The parts of an interrupted upload stay: the
    next upload reuses them if their MD5s are still those of the file. `PartsUpload` states what happens if two uploads
    of one name run at the same time.
    """

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        planned: PlannedUpload,
        checksum_cache: ChecksumCache,
        tracker: ProgressTracker,
    ) -> None:
        self._store = store
        self._container = container
        self._planned = planned
        self._checksum_cache = checksum_cache
        self._tracker = tracker
        self._parts = list(split_ranges(planned.source.size, planned.segment_size))
        self._remaining = len(self._parts)
        self._lock = threading.Lock()
        self.bytes_sent = 0
        """Bytes sent, without those of failed attempts."""

    def plan_tasks(self) -> list[WorkItem]:
        """Find the parts that are already stored; return the work items. The last to end completes the object."""
        planned, source = self._planned, self._planned.source
        upload = self._store.begin_multipart(
            self._container,
            source.name,
            size=source.size,
            part_size=planned.segment_size,
            is_new=planned.stored is None,
        )
        cached_md5s = self._checksum_cache.get_md5s(source.file, planned.segment_size)
        if cached_md5s and len(cached_md5s) == len(self._parts):
            self._parts = [replace(part, md5=md5) for part, md5 in zip(self._parts, cached_md5s, strict=True)]
        return [partial(self._upload_part, upload, number) for number in range(len(self._parts))]

    def _upload_part(self, upload: PartsUpload, number: int) -> None:
        part = self._parts[number]
        body = self._planned.source.file.part(part.start, part.size)
        stored = {one.md5: one for one in upload.stored_parts(number)}
        md5 = part.md5 or (md5_of(body) if stored else None)
        reused = stored.get(md5) if md5 else None
        if reused is not None:
            upload.reuse_part(number, reused)
            self._tracker.advance(part.size)
            sent_md5 = reused.md5
        else:
            sent_md5 = upload.put_part(number, body, on_progress=self._tracker.advance)
        with self._lock:
            self.bytes_sent += 0 if reused is not None else part.size
            self._parts[number] = replace(part, md5=sent_md5)
            self._remaining -= 1
            is_last = not self._remaining
        if is_last:
            self._complete(upload)

    def _complete(self, upload: PartsUpload) -> None:
        file = self._planned.source.file
        if file.has_changed():
            raise Corrupted(f"{file.location} was written while it was being sent: upload it when it is complete")
        upload.complete()
        md5s = [part.md5 for part in self._parts if part.md5]
        self._checksum_cache.set_md5s(file, self._planned.segment_size, md5s)
        self._tracker.advance(0, file_count=1)
