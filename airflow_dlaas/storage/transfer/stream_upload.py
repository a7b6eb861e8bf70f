"""The upload of an object of unknown size while it is written, with no more than one segment of it in memory."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import ContainerNotFound, StoreError
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE, segment_container, segment_name
from airflow_dlaas.storage.store_helpers import require_container_exists
from airflow_dlaas.storage.transfer.segment_cleanup import current_segments, delete_orphan_segments

logger = logging.getLogger(__name__)

UNKNOWN_SIZE = 0
"""The file size in the names of segments of a file that is still being written; no large file has this size."""

SEGMENT_SIZE_DOUBLINGS = 4
"""The segment size doubles each time a quarter of the store's maximum number of segments is used. With 1000 segments,
the default of Swift, a file may have about 234 GiB."""


@dataclass(frozen=True, slots=True)
class BufferBody:
    """Bytes in memory that are sent in pieces, because the timeout of the connection applies to each piece."""

    data: bytearray = field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes from the beginning."""
        with memoryview(self.data) as view:
            for start in range(0, len(view), CHUNK_SIZE):
                yield view[start : start + CHUNK_SIZE]

    def __str__(self) -> str:
        return "the content"


class StreamUpload:
    """
    One object that is being written. It appears at `finish`; after `discard` nothing of it is left.

    Content that fits into one segment is stored in one piece. Not thread-safe: it has one writer.
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
        """Append *data*; a segment is sent when the buffer holds more than fits into it."""
        while data:
            free = self._next_segment_size() - len(self._buffer)
            if not free:
                self._upload_segment()
                continue
            self._buffer += data[:free]
            self.size += len(data[:free])
            data = data[free:]

    def flush(self, max_buffered: int) -> None:
        """Send the buffer as a segment if it holds more than *max_buffered* bytes."""
        if len(self._buffer) > max_buffered:
            self._upload_segment()

    def finish(self) -> None:
        """Make the object appear; it replaces the previous object of this name."""
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
        """Delete the segments that were sent; a later upload of a large file to this name deletes those that remain."""
        names = [part.segment[1] for part in self._parts if part.segment]
        self._parts, self._buffer = [], bytearray()
        try:
            self._store.delete(segment_container(self._container), names)
        except StoreError as error:
            logger.warning(
                "Deleting %d segments of the discarded object %s/%s failed (%s); the next upload of a large file to "
                "this name deletes them",
                len(names),
                self._container,
                self._name,
                error,
            )

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
            require_container_exists(self._store, self._container)  # raises now instead of in `finish`
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
