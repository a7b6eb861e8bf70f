"""
Part files: the partial download of a large object, beside its destination, until it is complete.

A part file outlives an interrupted attempt. After the content it has one byte for each part, which is set when the part
is there, so that the next attempt fetches only the others. Parts whose MD5 is known are verified again first.
`_util.atomic_write` does not serve, because its temporary file does not outlive an attempt.
"""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_dlaas._util.file_lock import acquire_file_lock
from airflow_dlaas.exceptions import Corrupted, HostError
from airflow_dlaas.storage.body import FileBody, md5_of
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.segments import consists_of, is_multipart_etag

FILE_MODE = 0o644
"""Permission bits of the finished file; before that only the owner can read it."""

MAX_STEM_BYTES = 150
"""Bytes of the target's name in the name of the part file, which may have 255 bytes in all."""

_CONTENT_TAG = re.compile(r"[0-9A-Za-z]+-\d+")


class _ArrivingParts:
    """
    The MD5s of parts, computed from their bytes as they arrive, so that they need not be read again.

    Each part arrives in order, by one thread at a time; a repeated one begins at its start again.
    """

    def __init__(self, starts: list[int]) -> None:
        self._starts = starts
        self._md5s: dict[int, tuple[int, Any]] = {}
        """By the start of a part: the end of the bytes that have arrived, and their MD5."""

    def update(self, offset: int, chunk: bytes) -> None:
        """Hash *chunk*, which has arrived for *offset*."""
        start = self._starts[bisect_right(self._starts, offset) - 1]
        end, md5 = (start, hashlib.md5(usedforsecurity=False)) if offset == start else self._md5s.get(start, (-1, None))
        if md5 is not None and end == offset:
            md5.update(chunk)
            self._md5s[start] = offset + len(chunk), md5

    def find_md5(self, part: Part) -> str | None:
        """Return the MD5 of *part*, in hex; None if not all of it has arrived."""
        end, md5 = self._md5s.get(part.start, (-1, None))
        return md5.hexdigest() if md5 is not None and end == part.start + part.size else None


class PartFile:
    """
    The partial download of the object with *layout* to *target*, locked against other processes and threads.

    The name of the file identifies the content. Part files of another content for the same target are deleted.

    :raises HostError: the file cannot be written, or another process has locked it.
    """

    def __init__(self, target: Path, layout: ObjectLayout, parts: Sequence[Part]) -> None:
        self._target = target
        self._layout = layout
        self._parts = parts
        self._arriving = _ArrivingParts([part.start for part in parts]) if self._has_etag_of_parts() else None
        self.path = target.with_name(f".{_file_stem(target)}.{_content_tag(layout)}.part")
        with _translate_errors(target):
            for other in find_part_files(target):
                if other != self.path:
                    other.unlink(missing_ok=True)
            self._fd = self._open_locked()

    def _open_locked(self) -> int:
        try:
            return acquire_file_lock(self.path, timeout=0)
        except BlockingIOError:
            raise HostError(f"{self._target} is being fetched by another process: wait for it, or end it") from None

    def close(self) -> None:
        """Close the file and keep it for another attempt; does nothing after `commit` or `delete`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def missing_parts(self) -> list[int]:
        """Return the numbers of the parts that are not there, or whose content does not have their MD5."""
        with _translate_errors(self._target):
            size = self._layout.size
            if os.fstat(self._fd).st_size != size + len(self._parts):
                os.ftruncate(self._fd, 0)
                os.ftruncate(self._fd, size + len(self._parts))
            marks = os.pread(self._fd, len(self._parts), size)
        return [
            number
            for number, part in enumerate(self._parts)
            if not marks[number] or (part.md5 and md5_of(FileBody(str(self.path), part.start, part.size)) != part.md5)
        ]

    def write(self, offset: int, chunk: bytes) -> None:
        """Write *chunk* at *offset* of the content."""
        if self._arriving is not None:
            self._arriving.update(offset, chunk)
        with _translate_errors(self._target):
            remaining = memoryview(chunk)
            while remaining:
                count = os.pwrite(self._fd, remaining, offset)
                offset, remaining = offset + count, remaining[count:]

    def mark_done(self, part_number: int) -> None:
        """Record that a part is there."""
        with _translate_errors(self._target):
            os.pwrite(self._fd, b"\1", self._layout.size + part_number)

    def commit(self) -> None:
        """
        Rename the file to the target. All parts must be there.

        :raises Corrupted: the content has another MD5 than the stored object. The file is deleted then.
        """
        if not self._has_stored_content():
            self.delete()
            raise Corrupted(f"{self._target} did not arrive as it was stored (its MD5 differs): fetch it again")
        with _translate_errors(self._target):
            os.ftruncate(self._fd, self._layout.size)
            os.fchmod(self._fd, FILE_MODE)
            self.path.replace(self._target)
        self.close()

    def _has_stored_content(self) -> bool:
        """Whether the content has the MD5 of the whole object, or the ETag that the MD5s of its parts make."""
        layout = self._layout
        if layout.md5:
            return md5_of(FileBody(str(self.path), 0, layout.size)) == layout.md5
        if self._arriving is None:
            return True  # each part was compared when it arrived, or the store knows no checksum
        return consists_of(layout, [self._md5_of(part, self._arriving) for part in layout.parts])

    def _has_etag_of_parts(self) -> bool:
        """Whether the MD5s of the parts are unknown, but the ETag is made of them."""
        parts = self._layout.parts
        return (
            not self._layout.md5
            and not all(part.md5 for part in parts)
            and is_multipart_etag(self._layout.etag, len(parts))
        )

    def _md5_of(self, part: Part, arriving: _ArrivingParts) -> str:
        # A part that an earlier attempt fetched is read.
        return arriving.find_md5(part) or md5_of(FileBody(str(self.path), part.start, part.size))

    def delete(self) -> None:
        """Delete the file."""
        with suppress(OSError):
            self.path.unlink()
        self.close()


def find_part_files(target: Path) -> list[Path]:
    """Find the part files of *target* that interrupted attempts have left, of any content."""
    before, after = f".{_file_stem(target)}.", ".part"
    return [
        path
        for path in target.parent.glob(f".*{after}")
        if path.name.startswith(before) and _CONTENT_TAG.fullmatch(path.name[len(before) : -len(after)])
    ]


def _file_stem(target: Path) -> str:
    name = target.name.encode()
    return target.name if len(name) <= MAX_STEM_BYTES else hashlib.md5(name, usedforsecurity=False).hexdigest()


def _content_tag(layout: ObjectLayout) -> str:
    etag = "".join(letter for letter in layout.etag if letter.isalnum())[:32]
    return f"{etag or 'any'}-{layout.size}"


@contextmanager
def _translate_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror or error}") from error
