"""Storing one large file as segments, side by side; an attempt that broke off is taken up where it was."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from airflow_dlaas.exceptions import ContainerNotFound, Corrupted, ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.storage.segments import (
    StoredSegment,
    find_segments,
    owned_segments,
    segment_container,
    segment_name,
    segment_prefix,
    split_ranges,
)
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.plan import PlannedUpload
from airflow_dlaas.storage.transfer.worker_pool import ProgressTracker, WorkItem


class MultipartUpload:
    """
    One file on its way.

    What is stored under its name changes in one step, when every segment is there. Segments of an attempt that broke
    off stay: they are what the next one takes up, if their MD5s are still the file's, and deletes when it has ended.

    Two uploads of one name at once leave the object of the one or of the other. The one that began later deletes what
    the other had sent by then, before its own object appears: the other, unless it ended earlier, fails and says so.
    So does one that took up a segment which somebody else has deleted since. The next attempt goes on.
    """

    def __init__(
        self,
        store: ObjectStore,
        container: str,
        item: PlannedUpload,
        checksum_cache: ChecksumCache,
        tracker: ProgressTracker,
    ) -> None:
        self._store = store
        self._container = container
        self._segment_container = segment_container(container)
        self._item = item
        self._checksum_cache = checksum_cache
        self._tracker = tracker
        self._upload_id = secrets.token_hex(8)
        self._parts = list(split_ranges(item.source.size, item.segment_size))
        self._existing: list[StoredSegment] = []
        self._remaining = len(self._parts)
        self._lock = threading.Lock()
        self.bytes_sent = 0
        """Bytes that were sent, those of failed attempts left out."""

    def plan_tasks(self) -> list[WorkItem]:
        """Look at what is there already; the jobs that remain. The one that ends last finishes the whole."""
        name, origin = self._item.source.name, self._item.source.file
        try:
            self._existing = list(
                find_segments(name, self._store.list_objects(self._segment_container, segment_prefix(name)))
            )
        except ContainerNotFound:
            self._store.create_container(self._segment_container)
        cached_md5s = self._checksum_cache.get_md5s(origin, self._item.segment_size)
        if cached_md5s and len(cached_md5s) == len(self._parts):
            self._parts = [replace(part, md5=md5) for part, md5 in zip(self._parts, cached_md5s, strict=True)]
        return [partial(self._upload_segment, number) for number in range(len(self._parts))]

    def _upload_segment(self, number: int) -> None:
        part, source, segment_size = self._parts[number], self._item.source, self._item.segment_size
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
            last = not self._remaining
        if last:
            self._complete()

    def _complete(self) -> None:
        source, origin = self._item.source, self._item.source.file
        if origin.has_changed():
            raise Corrupted(f"{origin.location} was written while it was being sent: let it be written first")
        replaced = replaced_segments(self._store, self._container, self._item)
        # Of what is gone before our object appears no other upload can make its own any more, however late it ends.
        unused = {one.stored.name for one in self._existing} - {part.segment[1] for part in self._parts if part.segment}
        self._store.delete(self._segment_container, sorted(unused - replaced))
        self._store.complete_multipart(self._container, source.name, self._parts)
        self._checksum_cache.set_md5s(origin, self._item.segment_size, [part.md5 for part in self._parts if part.md5])
        delete_orphan_segments(self._store, self._container, source.name, replaced)
        self._tracker.advance(0, file_count=1)


def replaced_segments(store: ObjectStore, container: str, item: PlannedUpload) -> set[str]:
    """Name the segments of what is stored under a name so far, in the container beside."""
    if item.stored is None or not (item.stored.slo_etag or item.segment_size):
        return set()
    try:
        return owned_segments(container, item.stored.name, store.get_layout(container, item.stored.name).parts)
    except ObjectNotFound:
        return set()


def delete_orphan_segments(store: ObjectStore, container: str, name: str, segments: Iterable[str]) -> None:
    """Delete those of *segments* that the object *name*, as it is now, does not consist of."""
    orphans = set(segments)
    if not orphans:
        return
    with suppress(ObjectNotFound):
        orphans -= owned_segments(container, name, store.get_layout(container, name).parts)
    store.delete(segment_container(container), sorted(orphans))
