"""
The file objects that `open` returns.

A written file appears when the file object is closed. It does not appear if the ``with`` block fails or if the file
object is never closed, where the files of Python and fsspec would leave a part of the content.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Any

from fsspec.spec import AbstractBufferedFile  # type: ignore[import-untyped]
from typing_extensions import Buffer, Self

from airflow_dlaas.storage.fsspec.os_errors import is_directory_error, translate_to_os_errors
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload

logger = logging.getLogger(__name__)

MAX_UNCOMMITTED_BYTES = 1024**2
"""Bytes of a file that stay in memory until a transaction ends; more are sent to the store as a part of the object."""


class ObjectReader(AbstractBufferedFile):  # type: ignore[misc]
    """An object that is read in ranges; an error if it is replaced after it was opened."""

    def __init__(self, fs: Any, path: str, **options: Any) -> None:
        super().__init__(fs, path, "rb", **options)
        if self.details["type"] != "file":
            raise is_directory_error(path)

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.read_range(self.details, start, end)
        return content


class AtomicFile(io.IOBase):
    """A file that is discarded if the ``with`` block fails or if it is never closed."""

    def discard(self) -> None:
        """Close the file without storing anything."""
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        with suppress(ValueError):  # raised for an instance whose `__init__` failed
            if not self.closed:
                logger.warning("%r was not closed, so nothing was stored", self)
                self.discard()


class ObjectWriter(AtomicFile, io.BufferedIOBase):
    """An object that is being written. An error discards it."""

    def __init__(self, stream: StreamUpload, path: str, *, autocommit: bool) -> None:
        self._stream = stream
        self._autocommit = autocommit
        self._discarded = False
        self.path = path
        self.mode = "wb"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.size

    def write(self, data: Buffer) -> int:
        """Write all of *data*; after `discard` it is ignored."""
        if self.closed and not self._discarded:
            raise ValueError(f"{self.path} is closed")
        with memoryview(data) as view, view.cast("B") as raw:
            if not self._discarded:
                self._discard_on_error(partial(self._stream.write, raw))
            return len(raw)

    def close(self) -> None:
        """Store the object; in a transaction, `commit` does that later."""
        if self.closed:
            return
        super().close()
        self._discard_on_error(
            self._stream.finish if self._autocommit else partial(self._stream.flush, MAX_UNCOMMITTED_BYTES)
        )

    def commit(self) -> None:
        """Store the object at the end of a transaction; an error discards it."""
        self._discard_on_error(self._stream.finish)

    def discard(self) -> None:
        """Close the file; the previous object stays as it was."""
        self._discarded = True
        super().close()
        self._stream.discard()

    def _discard_on_error(self, action: Callable[[], None]) -> None:
        with ExitStack() as undo, translate_to_os_errors(self.path):
            undo.callback(self.discard)
            action()
            undo.pop_all()


class CompressedWriter(AtomicFile, io.BufferedIOBase):
    """Writes through *compressor* to *file*; both are closed together."""

    def __init__(self, compressor: Any, file: ObjectWriter) -> None:
        self._compressor = compressor
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        count: int = self._compressor.write(data)
        return count

    def close(self) -> None:
        """Write the rest of the compressor's output, and store the object."""
        if not self.closed:
            super().close()
            self._compressor.close()
            self._file.close()

    def discard(self) -> None:
        """Close the file; the previous object stays as it was."""
        super().close()
        self._file.discard()
        self._compressor.close()


class TextWriter(AtomicFile, io.TextIOWrapper):
    """Text that is encoded and written to a file of bytes."""

    buffer: AtomicFile  # type: ignore[assignment]

    def __enter__(self) -> Self:
        return self

    def discard(self) -> None:
        """Close the file; the previous object stays as it was."""
        self.buffer.discard()
