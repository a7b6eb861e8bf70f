"""Storing an object whose size nobody knows yet: as it is written, with no more of it in memory than one segment."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_dlaas.contract.store_names import require_container_name, require_new_object_name
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import PIECE
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.segments import CUT, beside, own, segment_name
from airflow_dlaas.storage.transfer.multipart_upload import forget

UNKNOWN = 0
"""What the names of segments say for the size of a file that is still being written: no large one has it."""

DOUBLINGS = 4
"""The segments of a file double in size after each quarter of as many as a store joins: 240 GiB with Swift's 1000."""


@dataclass(frozen=True, slots=True)
class Buffered:
    """Bytes in memory, sent in pieces: a limit of time holds for each."""

    data: bytearray = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Give them from the beginning."""
        with memoryview(self.data) as view:
            for start in range(0, len(view), PIECE):
                yield view[start : start + PIECE]

    def __str__(self) -> str:
        return "the content"


class Stream:
    """
    One object being written. Nothing of it can be seen before `finish`, and nothing is left after `discard`.

    What fits one segment is stored in one piece. Not thread-safe: it has one writer.
    """

    def __init__(self, store: ObjectStore, container: str, name: str, segment_size: int = CUT) -> None:
        self._store = store
        self._container = require_container_name(container)
        self._name = require_new_object_name(name)
        self._cut = segment_size
        self._upload = secrets.token_hex(8)
        self._waiting = bytearray()
        self._parts: list[Part] = []
        self.size = 0
        """Bytes written so far."""

    def write(self, data: memoryview) -> None:
        """Take bytes; a segment is sent when there is more than fits it."""
        while data:
            room = self._segment_size() - len(self._waiting)
            if not room:
                self._send()
                continue
            self._waiting += data[:room]
            self.size += len(data[:room])
            data = data[room:]

    def park(self, most: int) -> None:
        """Wait, with no more than *most* bytes in memory."""
        if len(self._waiting) > most:
            self._send()

    def finish(self) -> None:
        """Make the object appear, in place of what was there."""
        before = segments_of(self._store, self._container, self._name)
        if self._parts:
            if self._waiting:
                self._send()
            self._store.join(self._container, self._name, self._parts)
        else:
            self._store.put(self._container, self._name, Buffered(self._waiting))
        self._parts, self._waiting = [], bytearray()
        forget(self._store, self._container, self._name, before)

    def discard(self) -> None:
        """Delete what was sent; what cannot be deleted now goes with the next upload of a large file to this name."""
        names = [part.place[1] for part in self._parts if part.place]
        self._parts, self._waiting = [], bytearray()
        with suppress(StoreError):
            self._store.delete(beside(self._container), names)

    def _segment_size(self) -> int:
        limits = self._store.limits()
        doublings = len(self._parts) * DOUBLINGS // limits.segments if limits.segments else 0
        return min(self._cut << doublings, limits.object_size)

    def _send(self) -> None:
        limits = self._store.limits()
        number, size = len(self._parts), len(self._waiting)
        if number >= limits.segments:
            raise StoreError(
                f"{self._container}/{self._name} is larger than {self.size:,} bytes, which is the most that can be "
                "written to this object store as a stream: write it to a file and upload that, or several objects"
            )
        if not number:
            insist_on(self._store, self._container)  # said now, not at the end
        place = beside(self._container), segment_name(self._name, UNKNOWN, self._cut, self._upload, number)
        content = Buffered(self._waiting)
        try:
            md5 = self._store.put_segment(*place, content)
        except ContainerNotFound:
            self._store.create_container(place[0])
            md5 = self._store.put_segment(*place, content)
        self._parts.append(Part(self.size - size, size, md5, place))
        self._waiting = bytearray()


def segments_of(store: ObjectStore, container: str, name: str) -> set[str]:
    """Name the segments that belong to what is stored as *name* now, if it consists of any."""
    try:
        return own(container, name, store.look(container, name).parts)
    except ObjectNotFound:
        return set()


def insist_on(store: ObjectStore, container: str) -> None:
    """
    See whether *container* is there, patiently.

    :raises ContainerNotFound: it is not.
    """
    next(iter(store.browse(container, most=1)), None)
