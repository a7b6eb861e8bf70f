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
from airflow_dlaas.storage.body import FilePart, md5_of
from airflow_dlaas.storage.object_store import Part, Shape

MODE = 0o644

LONGEST = 150
"""Bytes of a name to which all that follows can be added: 255 are the most."""

_TAG = re.compile(r"[0-9A-Za-z]+-\d+")


class PartFile:
    """
    Gathers an object of *shape* for *target*; nobody else may at the same time.

    Its name tells which content it is of, so what is left of another one is not taken for it, but removed.

    :raises HostError: it cannot be written here, or another process is at it.
    """

    def __init__(self, target: Path, shape: Shape, parts: Sequence[Part]) -> None:
        self._target = target
        self._shape = shape
        self._parts = parts
        self.path = target.with_name(f".{_stem(target)}.{_tag(shape)}.part")
        with _ours(target):
            for other in leftovers(target):
                if other != self.path:
                    other.unlink(missing_ok=True)
            self._handle = self._open()

    def _open(self) -> int:
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
        """Leave it for another attempt; nothing happens after `place` or `drop`."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def missing(self) -> list[int]:
        """Say which parts are still to be fetched. Of one whose MD5 is known the file's content is compared."""
        with _ours(self._target):
            size = self._shape.size
            if os.fstat(self._handle).st_size != size + len(self._parts):
                os.ftruncate(self._handle, 0)
                os.ftruncate(self._handle, size + len(self._parts))
            marks = os.pread(self._handle, len(self._parts), size)
        return [
            number
            for number, part in enumerate(self._parts)
            if not marks[number] or (part.md5 and md5_of(FilePart(str(self.path), part.start, part.size)) != part.md5)
        ]

    def write(self, offset: int, piece: bytes) -> None:
        """Put *piece* where it belongs."""
        with _ours(self._target):
            rest = memoryview(piece)
            while rest:
                done = os.pwrite(self._handle, rest, offset)
                offset, rest = offset + done, rest[done:]

    def mark(self, number: int) -> None:
        """Note that a part is there."""
        with _ours(self._target):
            os.pwrite(self._handle, b"\1", self._shape.size + number)

    def place(self) -> None:
        """
        Make it the target, in one step, now that all parts are there.

        :raises Corrupted: it has another MD5 than was stored. It is gone then.
        """
        whole = self._shape.md5
        if whole and md5_of(FilePart(str(self.path), 0, self._shape.size)) != whole:
            self.drop()
            raise Corrupted(f"{self._target} did not arrive as it was stored (its MD5 differs): fetch it again")
        with _ours(self._target):
            os.ftruncate(self._handle, self._shape.size)
            os.fchmod(self._handle, MODE)
            self.path.replace(self._target)
        self.close()

    def drop(self) -> None:
        """Remove it."""
        with suppress(OSError):
            self.path.unlink()
        self.close()


def leftovers(target: Path) -> list[Path]:
    """What attempts to fetch *target* have left behind, of whatever content."""
    before, after = f".{_stem(target)}.", ".part"
    return [
        one
        for one in target.parent.glob(f".*{after}")
        if one.name.startswith(before) and _TAG.fullmatch(one.name[len(before) : -len(after)])
    ]


def _stem(target: Path) -> str:
    name = target.name.encode()
    return target.name if len(name) <= LONGEST else hashlib.md5(name, usedforsecurity=False).hexdigest()


def _tag(shape: Shape) -> str:
    etag = "".join(letter for letter in shape.etag if letter.isalnum())[:32]
    return f"{etag or 'any'}-{shape.size}"


@contextmanager
def _ours(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror or error}") from error
