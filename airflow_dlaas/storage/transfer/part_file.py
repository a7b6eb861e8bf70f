"""
The file a large object is gathered in, beside its destination, until it is complete.

It outlives an attempt that breaks off. Behind the content it keeps a mark for each part that is there, so that the
next attempt fetches only the others; parts whose MD5 is known are looked at again before they are believed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dlaas.exceptions import Corrupted, HostError
from airflow_dlaas.storage.body import FileBody, md5_of
from airflow_dlaas.storage.object_store import ObjectLayout, Part

FILE_MODE = 0o644

MAX_STEM_BYTES = 150
"""Bytes of a name to which all that follows can be added: 255 are the most."""

_CONTENT_TAG = re.compile(r"[0-9A-Za-z]+-\d+")


class PartFile:
    """
    Gathers an object of *layout* for *target*; nobody else may at the same time.

    Its name tells which content it is of, so what is left of another one is not taken for it, but removed.

    :raises HostError: it cannot be written here, or another process is at it.
    """

    def __init__(self, target: Path, layout: ObjectLayout, parts: Sequence[Part]) -> None:
        self._target = target
        self._layout = layout
        self._parts = parts
        self.path = target.with_name(f".{_file_stem(target)}.{_content_tag(layout)}.part")
        with _translate_errors(target):
            for other in find_part_files(target):
                if other != self.path:
                    other.unlink(missing_ok=True)
            self._fd = self._open_locked()

    def _open_locked(self) -> int:
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(handle), self.path.stat()):
                        return handle
            except BlockingIOError:
                os.close(handle)
                raise HostError(f"{self._target} is being fetched by another process: wait for it, or end it") from None
            os.close(handle)  # just before it was locked, another process has made it the target

    def close(self) -> None:
        """Leave it for another attempt; nothing happens after `commit` or `delete`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def missing_parts(self) -> list[int]:
        """Say which parts are still to be fetched. Of one whose MD5 is known the file's content is compared."""
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
        """Put *chunk* where it belongs."""
        with _translate_errors(self._target):
            rest = memoryview(chunk)
            while rest:
                done = os.pwrite(self._fd, rest, offset)
                offset, rest = offset + done, rest[done:]

    def mark_done(self, part_number: int) -> None:
        """Note that a part is there."""
        with _translate_errors(self._target):
            os.pwrite(self._fd, b"\1", self._layout.size + part_number)

    def commit(self) -> None:
        """
        Make it the target, in one step, now that all parts are there.

        :raises Corrupted: it has another MD5 than was stored. It is gone then.
        """
        whole = self._layout.md5
        if whole and md5_of(FileBody(str(self.path), 0, self._layout.size)) != whole:
            self.delete()
            raise Corrupted(f"{self._target} did not arrive as it was stored (its MD5 differs): fetch it again")
        with _translate_errors(self._target):
            os.ftruncate(self._fd, self._layout.size)
            os.fchmod(self._fd, FILE_MODE)
            self.path.replace(self._target)
        self.close()

    def delete(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self.path.unlink()
        self.close()


def find_part_files(target: Path) -> list[Path]:
    """What attempts to fetch *target* have left behind, of whatever content."""
    before, after = f".{_file_stem(target)}.", ".part"
    return [
        one
        for one in target.parent.glob(f".*{after}")
        if one.name.startswith(before) and _CONTENT_TAG.fullmatch(one.name[len(before) : -len(after)])
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
