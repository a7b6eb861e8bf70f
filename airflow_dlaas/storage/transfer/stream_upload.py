"""Storing an object whose size nobody knows yet: as it is written, with no more of it in memory than one segment."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, owned_segments, segment_container, segment_name
from airflow_dlaas.storage.transfer.multipart_upload import delete_orphan_segments

UNKNOWN_SIZE = 0
"""What the names of segments say for the size of a file that is still being written: no large one has it."""

SEGMENT_SIZE_DOUBLINGS = 4
"""The segments of a file double in size after each quarter of as many as a store joins: 240 GiB with Swift's 1000."""


@dataclass(frozen=True, slots=True)
class BufferBody:
    """Bytes in memory, sent in pieces: a limit of time holds for each."""

    data: bytearray = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Give them from the beginning."""
        with memoryview(self.data) as view:
            for start in range(0, len(view), CHUNK_SIZE):
                yield view[start : start + CHUNK_SIZE]

    def __str__(self) -> str:
        return "the content"


class StreamUpload:
    """
    One object being written. Nothing of it can be seen before `finish`, and nothing is left after `discard`.

    What fits one segment is stored in one piece. Not thread-safe: it has one writer.
    """

    def __init__(self, store: ObjectStore, container: str, name: str, segment_size: int = DEFAULT_SEGMENT_SIZE) -> None:
        self._store = store
        self._container = require_container_name(container)
        self._name = require_new_object_name(name)
        self._base_segment_size = segment_size
        self._upload_id = secrets.token_hex(8)
        self._buffer = bytearray()
        self._parts: list[Part] = []
        self.size = 0
        """Bytes written so far."""

    def write(self, data: memoryview) -> None:
        """Take bytes; a segment is sent when there is more than fits it."""
        while data:
            room = self._next_segment_size() - len(self._buffer)
            if not room:
                self._upload_segment()
                continue
            self._buffer += data[:room]
            self.size += len(data[:room])
            data = data[room:]

    def flush(self, max_buffered: int) -> None:
        """Wait, with no more than *max_buffered* bytes in memory."""
        if len(self._buffer) > max_buffered:
            self._upload_segment()

    def finish(self) -> None:
        """Make the object appear, in place of what was there."""
        replaced = current_segments(self._store, self._container, self._name)
        if self._parts:
            if self._buffer:
                self._upload_segment()
            self._store.complete_multipart(self._container, self._name, self._parts)
        else:
            self._store.put(self._container, self._name, BufferBody(self._buffer))
        self._parts, self._buffer = [], bytearray()
        delete_orphan_segments(self._store, self._container, self._name, replaced)

    def discard(self) -> None:
        """Delete what was sent; what cannot be deleted now goes with the next upload of a large file to this name."""
        names = [part.segment[1] for part in self._parts if part.segment]
        self._parts, self._buffer = [], bytearray()
        with suppress(StoreError):
            self._store.delete(segment_container(self._container), names)

    def _next_segment_size(self) -> int:
        limits = self._store.limits()
        doublings = len(self._parts) * SEGMENT_SIZE_DOUBLINGS // limits.max_segments if limits.max_segments else 0
        return min(self._base_segment_size << doublings, limits.max_object_size)

    def _upload_segment(self) -> None:
        limits = self._store.limits()
        number, size = len(self._parts), len(self._buffer)
        if number >= limits.max_segments:
            raise StoreError(
                f"{self._container}/{self._name} is larger than {self.size:,} bytes, which is the most that can be "
                "written to this object store as a stream: write it to a file and upload that, or several objects"
            )
        if not number:
            require_container_exists(self._store, self._container)  # said now, not at the end
        segment = (
            segment_container(self._container),
            segment_name(self._name, UNKNOWN_SIZE, self._base_segment_size, self._upload_id, number),
        )
        body = BufferBody(self._buffer)
        try:
            md5 = self._store.put_segment(*segment, body)
        except ContainerNotFound:
            self._store.create_container(segment[0])
            md5 = self._store.put_segment(*segment, body)
        self._parts.append(Part(self.size - size, size, md5, segment))
        self._buffer = bytearray()


def current_segments(store: ObjectStore, container: str, name: str) -> set[str]:
    """Name the segments that belong to what is stored as *name* now, if it consists of any."""
    try:
        return owned_segments(container, name, store.get_layout(container, name).parts)
    except ObjectNotFound:
        return set()


def require_container_exists(store: ObjectStore, container: str) -> None:
    """
    See whether *container* is there, patiently.

    :raises ContainerNotFound: it is not.
    """
    next(iter(store.list_dir(container, limit=1)), None)
