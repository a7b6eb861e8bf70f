"""Reading what is to be stored, with complaints in our own words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airflow_dlaas.errors import Corrupted, StoreError

PIECE = 256 * 1024
"""Bytes moved at a time: what a transfer holds in memory for each of its threads. Fits a processor's cache, so that
hashing a piece and sending it read memory once."""


class Content(Protocol):
    """Bytes to be stored; may be read again for another attempt."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def pieces(self) -> Iterator[bytes | memoryview]:
        """
        Read them from the beginning: exactly `size` bytes. A piece is good until the next is asked for.

        :raises Corrupted: there are fewer than that by now. (Of more, the rest is left.)
        """


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """All of it in one piece."""
        yield self.data

    def __str__(self) -> str:
        return "the content"


@dataclass(frozen=True, slots=True)
class FilePart:
    """A stretch of a local file."""

    path: str
    start: int
    size: int

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Read them into one buffer, over and over."""
        buffer = memoryview(bytearray(min(PIECE, self.size)))
        left = self.size
        try:
            with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123  (a Path for each of many files costs more)
                file.seek(self.start)
                while left:
                    count = file.readinto(buffer[:left])
                    if not count:
                        raise Corrupted(
                            f"{self.path} has become shorter while it was being sent: let it be written first"
                        )
                    left -= count
                    yield buffer[:count]
        except OSError as error:
            raise unreadable(self.path, error) from error

    def __str__(self) -> str:
        return self.path


def content_of(source: Path | bytes | Content) -> Content:
    """*source* as content; the size of a file is what it is now."""
    if isinstance(source, bytes):
        return Held(source)
    return FilePart(str(source), 0, size_of(source)) if isinstance(source, Path) else source


def size_of(source: Path) -> int:
    """Bytes of the file *source*; refuses what is no regular file."""
    try:
        if source.exists() and not source.is_file():
            raise StoreError(f"{source} cannot be stored: it is no regular file")
        return source.stat().st_size
    except OSError as error:
        raise unreadable(source, error) from error


def md5_of(source: Path | bytes | Content) -> str:
    """The MD5 of *source*, in hex: what Swift compares. Not for secrecy."""
    md5 = hashlib.md5(usedforsecurity=False)
    for piece in content_of(source).pieces():
        md5.update(piece)
    return md5.hexdigest()


def unreadable(path: Path | str, error: OSError) -> StoreError:
    """Say that the file at *path* cannot be read."""
    return StoreError(f"{path} cannot be read: {error.strerror or error}")
