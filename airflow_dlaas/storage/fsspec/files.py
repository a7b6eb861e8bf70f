"""
The files that `filesystem` opens.

What is written appears when the file is closed, and not at all where the block it is open in fails, or where nobody
closes it: Python's and fsspec's files would leave a beginning.
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

from airflow_dlaas.storage.fsspec.errors import is_directory_error, translate_to_os_errors
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload

log = logging.getLogger(__name__)

MAX_UNCOMMITTED_BYTES = 1024**2
"""Bytes of a file that wait in memory until a transaction ends; more wait in the store, as a segment."""


class ObjectReader(AbstractBufferedFile):  # type: ignore[misc]
    """An object being read, in stretches: of the one content it had when it was opened, or an error."""

    def __init__(self, fs: Any, path: str, **options: Any) -> None:
        super().__init__(fs, path, "rb", **options)
        if self.details["type"] != "file":
            raise is_directory_error(path)

    def _fetch_range(self, start: int, end: int) -> bytes:
        content: bytes = self.fs.read_range(self.details, start, end)
        return content


class AtomicFile(io.IOBase):
    """Leaving a block by an error discards what was written in it; so does forgetting to close."""

    def discard(self) -> None:
        """Store nothing."""
        raise NotImplementedError

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def __del__(self) -> None:
        with suppress(ValueError):  # one that was never quite made
            if not self.closed:
                log.warning("%r was not closed, so nothing was stored", self)
                self.discard()


class ObjectWriter(AtomicFile, io.BufferedIOBase):
    """An object being written. After an error it is discarded."""

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
        """Take bytes, all of them; after `discard` they go nowhere."""
        if self.closed and not self._discarded:
            raise ValueError(f"{self.path} is closed")
        with memoryview(data) as view, view.cast("B") as raw:
            if not self._discarded:
                self._discard_on_error(partial(self._stream.write, raw))
            return len(raw)

    def close(self) -> None:
        """Store what was written; in a transaction, wait for `commit`."""
        if self.closed:
            return
        super().close()
        self._discard_on_error(
            self._stream.finish if self._autocommit else partial(self._stream.flush, MAX_UNCOMMITTED_BYTES)
        )

    def commit(self) -> None:
        """Make it appear; after an error nothing is left of it."""
        self._discard_on_error(self._stream.finish)

    def discard(self) -> None:
        """Leave what was there before as it was."""
        self._discarded = True
        super().close()
        self._stream.discard()

    def _discard_on_error(self, action: Callable[[], None]) -> None:
        with ExitStack() as undoing, translate_to_os_errors(self.path):
            undoing.callback(self.discard)
            action()
            undoing.pop_all()


class CompressedWriter(AtomicFile, io.BufferedIOBase):
    """What goes to *file* through *compressor*, which compresses it; closed together."""

    def __init__(self, compressor: Any, file: ObjectWriter) -> None:
        self._compressor = compressor
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        count: int = self._compressor.write(data)
        return count

    def close(self) -> None:
        """Write what the packer still holds, and store the whole."""
        if not self.closed:
            super().close()
            self._compressor.close()
            self._file.close()

    def discard(self) -> None:
        """Leave what was there before as it was."""
        super().close()
        self._file.discard()
        self._compressor.close()


class TextWriter(AtomicFile, io.TextIOWrapper):
    """Text that goes to a file of bytes."""

    buffer: AtomicFile  # type: ignore[assignment]

    def __enter__(self) -> Self:
        return self

    def discard(self) -> None:
        """Leave what was there before as it was."""
        self.buffer.discard()
