"""Reading what is to be stored, with complaints in our own words."""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from airflow_dlaas.exceptions import Corrupted, StoreError

PIECE = 256 * 1024
"""Bytes moved at a time: what a transfer holds in memory for each of its threads. Fits a processor's cache, so that
hashing a piece and sending it read memory once."""


STRETCH = 1024**2
"""Bytes that the kernel is told to send at a time: each time costs a little, and is when a transfer can be ended."""


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


@runtime_checkable
class Direct(Protocol):
    """Content that gets to a socket without passing through this process."""

    def send_over(self, line: socket.socket) -> Iterator[int]:
        """Send it; yields how many bytes went each time."""


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Cut it up: a line may be slow, and a limit of time is for each piece."""
        view = memoryview(self.data)
        for at in range(0, len(view), STRETCH):
            yield view[at : at + STRETCH]

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
        with self._opened() as file:
            yield from self._read(file, self.start, self.size)

    def send_over(self, line: socket.socket, told: Callable[[memoryview], None] | None = None) -> Iterator[int]:
        """
        Have the kernel hand them to *line*, a socket without TLS; yields how many went each time.

        :param told: gets the same bytes before they go. Of a file that is being written they may be others; then the
            store's MD5 is another one, too.
        """
        end = self.start + self.size
        with self._opened() as file:
            for at in range(self.start, end, STRETCH):
                count = min(STRETCH, end - at)
                if told is not None:
                    for piece in self._read(file, at, count):
                        told(piece)
                if line.sendfile(file, at, count) < count:
                    raise self._shorter()
                yield count

    def _opened(self) -> io.FileIO:
        try:
            return io.FileIO(self.path)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _read(self, file: io.FileIO, start: int, size: int) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(PIECE, size)))
        try:
            file.seek(start)
            while size:
                count = file.readinto(buffer[:size])
                if not count:
                    raise self._shorter()
                size -= count
                yield buffer[:count]
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _shorter(self) -> Corrupted:
        return Corrupted(f"{self.path} has become shorter while it was being sent: let it be written first")

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
