"""Reading what is to be stored, with complaints in our own words."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from types import TracebackType
from typing import IO

from typing_extensions import Self

from airflow_dlaas.errors import Corrupted, StoreError
from airflow_dlaas.storage.objects import Advance

PIECE = 1024**2
"""Bytes moved at a time: what a transfer holds in memory for each of its threads."""


def size_of(source: Path | bytes) -> int:
    """Bytes of *source*; refuses what is no regular file."""
    if isinstance(source, bytes):
        return len(source)
    try:
        if source.exists() and not source.is_file():
            raise StoreError(f"{source} cannot be stored: it is no regular file")
        return source.stat().st_size
    except OSError as error:
        raise _unreadable(source, error) from error


def md5_of(source: Path | bytes) -> str:
    """The MD5 of *source*, in hex: what Swift compares. Not for secrecy."""
    md5 = hashlib.md5(usedforsecurity=False)
    if isinstance(source, bytes):
        md5.update(source)
        return md5.hexdigest()
    try:
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                md5.update(piece)
    except OSError as error:
        raise _unreadable(source, error) from error
    return md5.hexdigest()


class Body:
    """
    The body of one PUT: exactly *size* bytes of *source*.

    A file that has grown is cut, and the MD5 tells; one that has shrunk is an error at once, where the store would
    wait for the rest.
    """

    def __init__(self, source: Path | bytes, size: int, advance: Advance | None) -> None:
        self._source = source
        self._size = size
        self._advance = advance
        self._done = 0
        try:
            self._file: IO[bytes] = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        except OSError as error:
            assert isinstance(source, Path)  # noqa: S101  (bytes cannot fail to open)
            raise _unreadable(source, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if error is not None and self._advance is not None:
            self._advance(-self._done)

    def read(self, size: int = PIECE) -> bytes:
        """The next bytes."""
        size = min(size, self._size - self._done)
        try:
            piece = self._file.read(size)
        except OSError as error:
            assert isinstance(self._source, Path)  # noqa: S101
            raise _unreadable(self._source, error) from error
        if size and not piece:
            raise Corrupted(f"{self._source!s} has become shorter while it was being sent: let it be written first")
        self._done += len(piece)
        if self._advance is not None:
            self._advance(len(piece))
        return piece


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path} cannot be read: {error.strerror or error}")
