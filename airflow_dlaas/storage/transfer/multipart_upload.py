"""The upload of one large file as segments, in parallel; it resumes an interrupted upload."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from functools import partial

from airflow_dlaas.exceptions import ContainerNotFound, Corrupted
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import (
    StoredSegment,
    find_segments,
    segment_container,
    segment_name,
    segment_prefix,
    split_ranges,
)
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.plan import PlannedUpload
from airflow_dlaas.storage.transfer.segment_cleanup import delete_orphan_segments, replaced_segments
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkItem


class MultipartUpload:
    """
    The upload of one large file.

    The object of this name changes in one step, when every segment is stored. The segments of an interrupted upload
    stay: the next upload reuses them if their MD5s are still those of the file, and deletes the others at its end.

    If two uploads of one name run at the same time, the object of one of them remains. The upload that began later
    deletes the segments that the other had sent by then, before its own object appears. The other upload fails with an
    error, unless it was complete earlier. An upload also fails if it reused a segment that another program has deleted
    since. In both cases the next attempt succeeds.
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
        self._segment_container = segment_container(container)
        self._planned = planned
        self._checksum_cache = checksum_cache
        self._tracker = tracker
        self._upload_id = secrets.token_hex(8)
        self._parts = list(split_ranges(planned.source.size, planned.segment_size))
        self._existing: list[StoredSegment] = []
        self._remaining = len(self._parts)
        self._lock = threading.Lock()
        self.bytes_sent = 0
        """Bytes sent, without those of failed attempts."""

    def plan_tasks(self) -> list[WorkItem]:
        """Find the segments that are already stored; return the work items. The last to end completes the object."""
        name, file = self._planned.source.name, self._planned.source.file
        try:
            listing = self._store.list_objects(self._segment_container, segment_prefix(name))
            self._existing = list(find_segments(name, listing))
        except ContainerNotFound:
            self._store.create_container(self._segment_container)
        cached_md5s = self._checksum_cache.get_md5s(file, self._planned.segment_size)
        if cached_md5s and len(cached_md5s) == len(self._parts):
            self._parts = [replace(part, md5=md5) for part, md5 in zip(self._parts, cached_md5s, strict=True)]
        return [partial(self._upload_segment, number) for number in range(len(self._parts))]

    def _upload_segment(self, number: int) -> None:
        part, source, segment_size = self._parts[number], self._planned.source, self._planned.segment_size
        body = source.file.part(part.start, part.size)
        candidates = {
            one.stored.md5: one.stored.name
            for one in self._existing
            if (one.file_size, one.segment_size, one.number, one.stored.size)
            == (source.size, segment_size, number, part.size)
        }
        md5 = part.md5 or (md5_of(body) if candidates else None)
        segment = candidates.get(md5) if md5 else None
        if segment:
            self._tracker.advance(part.size)
        else:
            segment = segment_name(source.name, source.size, segment_size, self._upload_id, number)
            md5 = self._store.put_segment(self._segment_container, segment, body, on_progress=self._tracker.advance)
        with self._lock:
            self.bytes_sent += 0 if segment in candidates.values() else part.size
            self._parts[number] = replace(part, md5=md5, segment=(self._segment_container, segment))
            self._remaining -= 1
            is_last = not self._remaining
        if is_last:
            self._complete()

    def _complete(self) -> None:
        source, file = self._planned.source, self._planned.source.file
        if file.has_changed():
            raise Corrupted(f"{file.location} was written while it was being sent: upload it when it is complete")
        replaced = replaced_segments(self._store, self._container, self._planned)
        # Of a segment that is deleted before our object appears, no other upload can make its object any more.
        used = {part.segment[1] for part in self._parts if part.segment}
        unused = {one.stored.name for one in self._existing} - used
        self._store.delete(self._segment_container, sorted(unused - replaced))
        self._store.complete_multipart(self._container, source.name, self._parts)
        md5s = [part.md5 for part in self._parts if part.md5]
        self._checksum_cache.set_md5s(file, self._planned.segment_size, md5s)
        delete_orphan_segments(self._store, self._container, source.name, replaced)
        self._tracker.advance(0, file_count=1)
