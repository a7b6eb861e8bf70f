"""Content that is uploaded: how it is read, hashed and sent, with errors of this package."""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from airflow_dlaas.exceptions import Corrupted, StoreError

CHUNK_SIZE = 256 * 1024
"""Bytes that are read or received at a time, and that a transfer has in memory for each thread. They fit the cache of a
processor, so that hashing and sending them read the memory once."""

SEND_SIZE = 1024**2
"""Bytes that the kernel sends in one call. Each call has a cost; between two calls a transfer can be aborted."""


class Body(Protocol):
    """Content to be stored; it can be read again for another attempt."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    def chunks(self) -> Iterator[bytes | memoryview]:
        """
        Yield exactly `size` bytes from the beginning. A chunk is valid until the next one is requested.

        :raises Corrupted: there are fewer bytes than that now. If there are more, the rest is ignored.
        """


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Bytes in memory."""

    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return len(self.data)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield chunks of `SEND_SIZE`: a connection may be slow, and the timeout is for each chunk."""
        view = memoryview(self.data)
        for start in range(0, len(view), SEND_SIZE):
            yield view[start : start + SEND_SIZE]

    def __str__(self) -> str:
        return "the content"


@dataclass(frozen=True, slots=True)
class FileBody:
    """A range of a file on this machine."""

    path: str
    start: int
    size: int

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Read into one buffer, which each chunk reuses."""
        with self._open() as file:
            yield from self._read_chunks(file, self.start, self.size)

    def sendfile(self, sock: socket.socket, on_chunk: Callable[[memoryview], None] | None = None) -> Iterator[int]:
        """
        Have the kernel send the range to *sock*, a socket without TLS; yield how many bytes each call sent.

        :param on_chunk: receives the same bytes before they are sent. If the file is written at the same time, they may
            differ from what is sent; the MD5 of the store then differs, too.
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
        return Corrupted(f"{self.path} became shorter while it was sent: upload it when it is complete")

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


SendfileBody = FileBody | HashingFileBody
"""The bodies that the kernel can copy from a file to a socket. No protocol: each request of a small object would
wait for the comparison with its methods."""


def hashing_body(body: Body) -> HashingBody:
    """Wrap *body*, so that its MD5 is known after it was sent."""
    return HashingFileBody(body) if isinstance(body, FileBody) else HashingBody(body)


def as_body(source: Path | bytes | Body) -> Body:
    """Return *source* as a body; a file has the size that it has now."""
    if isinstance(source, bytes):
        return BytesBody(source)
    return FileBody(str(source), 0, file_size(source)) if isinstance(source, Path) else source


def file_size(path: Path) -> int:
    """
    Return the bytes of the file *path*.

    :raises StoreError: it is no regular file, or cannot be read.
    """
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"{path} cannot be stored: it is no regular file")
        return path.stat().st_size
    except OSError as error:
        raise unreadable_error(path, error) from error


def md5_of(source: Path | bytes | Body) -> str:
    """Return the MD5 of *source* in hex, which Swift compares; it is a checksum, and protects no secret."""
    md5 = hashlib.md5(usedforsecurity=False)
    for chunk in as_body(source).chunks():
        md5.update(chunk)
    return md5.hexdigest()


def unreadable_error(path: Path | str, error: OSError) -> StoreError:
    """Return the error for a file that cannot be read."""
    return StoreError(f"{path} cannot be read: {error.strerror or error}")
