"""The upload of one object as segments; it resumes an interrupted upload."""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from airflow_dlaas.exceptions import ContainerNotFound
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.object_store import BytesCallback, Part, StoredPart
from airflow_dlaas.storage.swift.account import SwiftAccount
from airflow_dlaas.storage.swift.segment_cleanup import current_segments, delete_orphans
from airflow_dlaas.storage.swift.segment_names import (
    UNKNOWN_SIZE,
    StoredSegment,
    find_segments,
    segment_container,
    segment_name,
    segment_prefix,
)


class SegmentsUpload:
    """
    A `PartsUpload` whose parts are segments.

    Before its object appears, it deletes the segments of other uploads of the same name that it does not use: of a
    segment that is deleted by then, no other upload can make its object any more. So an upload that began earlier
    fails, unless it is complete. An upload also fails if it reused a segment that another program has deleted since.
    """

    def __init__(
        self, account: SwiftAccount, container: str, name: str, *, size: int | None, part_size: int, is_new: bool
    ) -> None:
        self._account = account
        self._container, self._name = container, name
        self._size, self._part_size = size, part_size
        self._is_new = is_new
        self._segment_container = segment_container(container)
        self._upload_id = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._existing: set[str] = set()
        self._reusable: dict[int, dict[StoredPart, str]] = defaultdict(dict)
        self._sent: set[str] = set()
        self._parts: dict[int, Part] = {}

    def begin(self) -> None:
        """Find the segments that are already stored, unless the size is unknown; create the container for segments."""
        if self._size is None:
            self._account.require_container(self._container)  # an error now instead of at the end
            return
        try:
            listing = self._account.list_objects(self._segment_container, segment_prefix(self._name))
            for one in find_segments(self._name, listing):
                self._add_existing(one)
        except ContainerNotFound:
            self._account.create_container(self._segment_container)

    def begin_copy(self) -> None:
        """Begin an upload that gets only copies of other segments; it resumes none."""
        self._account.require_container(self._container)
        self._account.create_container(self._segment_container)

    def stored_parts(self, number: int) -> Sequence[StoredPart]:
        return list(self._reusable.get(number, ()))

    def reuse_part(self, number: int, part: StoredPart) -> None:
        self._add_part(number, self._reusable[number][part], part.size, part.md5)

    def put_part(self, number: int, body: Body, *, on_progress: BytesCallback | None = None) -> str:
        segment = self._new_segment(number)
        try:
            md5 = self._account.put_segment(self._segment_container, segment, body, on_progress=on_progress)
        except ContainerNotFound:
            self._account.create_container(self._segment_container)
            md5 = self._account.put_segment(self._segment_container, segment, body, on_progress=on_progress)
        self._add_part(number, segment, body.size, md5)
        return md5

    def copy_segment(self, number: int, part: Part) -> None:
        """Copy the segment of *part*, whose MD5 is known, instead of sending a part."""
        segment = self._new_segment(number)
        if part.segment and part.md5:
            self._account.copy_whole(*part.segment, self._segment_container, segment)
            self._add_part(number, segment, part.size, part.md5)

    def complete(self, *, content_type: str | None = None) -> None:
        replaced = set() if self._is_new else current_segments(self._account, self._container, self._name)
        parts, start = list[Part](), 0
        for _, part in sorted(self._parts.items()):
            parts.append(replace(part, start=start))
            start += part.size
        used = {part.segment[1] for part in parts if part.segment}
        self._account.delete(self._segment_container, sorted(self._existing - used - {name for _, name in replaced}))
        self._account.complete_multipart(self._container, self._name, parts, content_type=content_type)
        delete_orphans(self._account, self._container, self._name, replaced)

    def discard(self) -> None:
        self._account.delete(self._segment_container, sorted(self._sent))

    def _add_existing(self, one: StoredSegment) -> None:
        self._existing.add(one.stored.name)
        part_size = min(self._part_size, (self._size or 0) - one.number * self._part_size)
        md5, sizes = one.stored.md5, (one.file_size, one.segment_size, one.stored.size)
        if md5 is not None and sizes == (self._size, self._part_size, part_size):
            self._reusable[one.number][StoredPart(part_size, md5)] = one.stored.name

    def _new_segment(self, number: int) -> str:
        name = segment_name(self._name, self._size or UNKNOWN_SIZE, self._part_size, self._upload_id, number)
        with self._lock:
            self._sent.add(name)
        return name

    def _add_part(self, number: int, segment: str, size: int, md5: str) -> None:
        with self._lock:
            self._parts[number] = Part(0, size, md5, (self._segment_container, segment))
