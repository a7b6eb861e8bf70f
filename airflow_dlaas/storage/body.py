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

CHUNK_SIZE = 256 * 1024
"""Bytes moved at a time: what a transfer holds in memory for each of its threads. Fits a processor's cache, so that
hashing a piece and sending it read memory once."""


SEND_SIZE = 1024**2
"""Bytes that the kernel is told to send at a time: each time costs a little, and is when a transfer can be ended."""


class Body(Protocol):
    """Bytes to be stored; may be read again for another attempt."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """
        Read them from the beginning: exactly `size` bytes. A piece is good until the next is asked for.

        :raises Corrupted: there are fewer than that by now. (Of more, the rest is left.)
        """


@runtime_checkable
class SendfileBody(Protocol):
    """Content that gets to a socket without passing through this process."""

    def sendfile(self, sock: socket.socket) -> Iterator[int]:
        """Send it; yields how many bytes went each time."""


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Cut it up: a line may be slow, and a limit of time is for each piece."""
        view = memoryview(self.data)
        for start in range(0, len(view), SEND_SIZE):
            yield view[start : start + SEND_SIZE]

    def __str__(self) -> str:
        return "the content"


@dataclass(frozen=True, slots=True)
class FileBody:
    """A stretch of a local file."""

    path: str
    start: int
    size: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Read them into one buffer, over and over."""
        with self._open() as file:
            yield from self._read_chunks(file, self.start, self.size)

    def sendfile(self, sock: socket.socket, on_chunk: Callable[[memoryview], None] | None = None) -> Iterator[int]:
        """
        Have the kernel hand them to *sock*, a socket without TLS; yields how many went each time.

        :param on_chunk: gets the same bytes before they go. Of a file that is being written they may be others; then the
            store's MD5 is another one, too.
        """
        end = self.start + self.size
        with self._open() as file:
            for offset in range(self.start, end, SEND_SIZE):
                count = min(SEND_SIZE, end - offset)
                if on_chunk is not None:
                    for chunk in self._read_chunks(file, offset, count):
                        on_chunk(chunk)
                if sock.sendfile(file, offset, count) < count:
                    raise self._truncated_error()
                yield count

    def _open(self) -> io.FileIO:
        try:
            return io.FileIO(self.path)
        except OSError as error:
            raise unreadable_error(self.path, error) from error

    def _read_chunks(self, file: io.FileIO, start: int, size: int) -> Iterator[memoryview]:
        buffer = memoryview(bytearray(min(CHUNK_SIZE, size)))
        try:
            file.seek(start)
            while size:
                count = file.readinto(buffer[:size])
                if not count:
                    raise self._truncated_error()
                size -= count
                yield buffer[:count]
        except OSError as error:
            raise unreadable_error(self.path, error) from error

    def _truncated_error(self) -> Corrupted:
        return Corrupted(f"{self.path} has become shorter while it was being sent: let it be written first")

    def __str__(self) -> str:
        return self.path


class HashingBody:
    """A body whose MD5 is computed while it is sent, for content that is read once."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.size = body.size
        self.md5 = ""
        """The MD5 of what was sent last, in hex; set when all of it was sent."""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Read the body from the beginning, and set `md5` at the end."""
        md5 = hashlib.md5(usedforsecurity=False)
        for chunk in self._body.chunks():
            md5.update(chunk)
            yield chunk
        self.md5 = md5.hexdigest()

    def __str__(self) -> str:
        return str(self._body)


class HashingFileBody(HashingBody):
    """A `HashingBody` that the kernel can send."""

    def __init__(self, file: FileBody) -> None:
        super().__init__(file)
        self._file = file

    def sendfile(self, sock: socket.socket) -> Iterator[int]:
        """Send the file, and set `md5` at the end; yield how many bytes went each time."""
        md5 = hashlib.md5(usedforsecurity=False)
        yield from self._file.sendfile(sock, md5.update)
        self.md5 = md5.hexdigest()


def hashing_body(body: Body) -> HashingBody:
    """Wrap *body*, so that its MD5 is known after it was sent."""
    return HashingFileBody(body) if isinstance(body, FileBody) else HashingBody(body)


def as_body(source: Path | bytes | Body) -> Body:
    """*path* as content; the size of a file is what it is now."""
    if isinstance(source, bytes):
        return BytesBody(source)
    return FileBody(str(source), 0, file_size(source)) if isinstance(source, Path) else source


def file_size(path: Path) -> int:
    """Bytes of the file *path*; refuses what is no regular file."""
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} cannot be stored: it is no regular file")
        return path.stat().st_size
    except OSError as error:
        raise unreadable_error(path, error) from error


def md5_of(source: Path | bytes | Body) -> str:
    """The MD5 of *path*, in hex: what Swift compares. Not for secrecy."""
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in as_body(source).chunks():
        md5.update(chunk)
    return md5.hexdigest()


def unreadable_error(path: Path | str, error: OSError) -> StoreError:
    """Say that the file at *path* cannot be read."""
    return StoreError(f"{path} cannot be read: {error.strerror or error}")
