"""The upload of an object of unknown size while it is written, with no more than one part of it in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import StoreError
from airflow_dlaas.storage.body import CHUNK_SIZE
from airflow_dlaas.storage.object_store import ObjectStore, PartsUpload
from airflow_dlaas.storage.segments import DEFAULT_SEGMENT_SIZE

logger = logging.getLogger(__name__)

SEGMENT_SIZE_DOUBLINGS = 4
"""The part size doubles each time a quarter of the store's maximum number of parts is used. With 1000 parts, the
default of Swift, a file may have about 234 GiB."""


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

    Content that fits into one part is stored in one piece. Not thread-safe: it has one writer.
    """

    def __init__(self, store: ObjectStore, container: str, name: str, segment_size: int = DEFAULT_SEGMENT_SIZE) -> None:
        self._store = store
        self._container = require_container_name(container)
        self._name = require_new_object_name(name)
        self._base_part_size = segment_size
        self._buffer = bytearray()
        self._upload: PartsUpload | None = None
        self._part_count = 0
        self.size = 0
        """Bytes written so far."""

    def write(self, data: memoryview) -> None:
        """Append *data*; a part is sent when the buffer holds more than fits into it."""
        while data:
            free = self._next_part_size() - len(self._buffer)
            if not free:
                self._upload_part()
                continue
            self._buffer += data[:free]
            self.size += len(data[:free])
            data = data[free:]

    def flush(self, max_buffered: int) -> None:
        """Send the buffer as the last part if it holds more than *max_buffered* bytes; nothing is written after it."""
        if len(self._buffer) > max_buffered:
            self._upload_part()

    def finish(self) -> None:
        """Make the object appear; it replaces the previous object of this name."""
        if self._upload is not None:
            if self._buffer:
                self._upload_part()
            self._upload.complete()
        else:
            with self._store.replacing(self._container, self._name):
                self._store.put(self._container, self._name, BufferBody(self._buffer))
        self._upload, self._buffer = None, bytearray()

    def discard(self) -> None:
        """Delete the parts that were sent; a later upload of a large file to this name deletes those that remain."""
        upload, self._upload, self._buffer = self._upload, None, bytearray()
        if upload is None:
            return
        try:
            upload.discard()
        except StoreError as error:
            logger.warning(
                "Deleting %d parts of the discarded object %s/%s failed (%s); the next upload of a large file to this "
                "name deletes them",
                self._part_count,
                self._container,
                self._name,
                error,
            )

    def _next_part_size(self) -> int:
        limits = self._store.limits()
        doublings = self._part_count * SEGMENT_SIZE_DOUBLINGS // limits.max_segments if limits.max_segments else 0
        return min(max(self._base_part_size, limits.min_part_size) << doublings, limits.max_object_size)

    def _upload_part(self) -> None:
        limits = self._store.limits()
        if self._part_count >= limits.max_segments:
            raise StoreError(
                f"{self._container}/{self._name} is larger than {self.size:,} bytes, which is the most that can be "
                "written to this object store as a stream: write it to a file and upload that, or several objects"
            )
        if self._upload is None:
            self._upload = self._store.begin_multipart(
                self._container, self._name, size=None, part_size=self._base_part_size
            )
        self._upload.put_part(self._part_count, BufferBody(self._buffer))
        self._part_count += 1
        self._buffer = bytearray()
