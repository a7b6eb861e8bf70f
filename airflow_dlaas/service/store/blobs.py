"""Where zips of code lie: one folder, each file named by the SHA-256 of its bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from airflow_dlaas.exceptions import HostError, TooLarge

GRACE_PERIOD = 3600.0
"""Seconds that a blob nobody needs is still kept: an upload or a submit under way may be about to need it."""

_DIGEST_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Blob:
    """What was kept."""

    digest: str
    size: int


class BlobStore:
    """
    Bytes by their digest, in *folder* (made if missing).

    Any number of threads and processes may use one folder: a blob appears whole, under its own digest, or not at
    all, and the same bytes are kept once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _translate_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start_upload(self, max_bytes: int) -> BlobUpload:
        """Begin to take in at most *max_bytes* bytes; a context manager that forgets what was not kept."""
        return BlobUpload(self._folder, max_bytes)

    def path(self, digest: str) -> Path:
        """Where the bytes with *digest* lie, or would lie."""
        if len(digest) != _DIGEST_LENGTH or not digest.isalnum():
            raise ValueError("A blob is named by its SHA-256 in hexadecimal")
        return self._folder / digest

    def touch(self, digest: str) -> bool:
        """
        Whether the blob is there; if so, no `delete_unused` removes it within its grace.

        No blob has a *digest* that is no SHA-256, as a damaged record may have one.
        """
        try:
            os.utime(self.path(digest))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def delete_unused(self, used_digests: Collection[str], *, grace_period: float = GRACE_PERIOD) -> int:
        """
        Remove the blobs not in *keep* and the remains of broken uploads, if untouched for *grace_period* seconds.

        Returns how many were removed. Ask the store for *keep* first: whatever it learns of later was touched later.
        """
        removed = 0
        with _translate_errors(self._folder):
            for file in self._folder.iterdir():
                if file.name in used_digests:
                    continue
                try:
                    if file.stat().st_mtime < time.time() - grace_period:
                        file.unlink()
                        removed += 1
                except FileNotFoundError:
                    continue  # another process sweeps, too
        return removed


class BlobUpload:
    """
    One blob on its way in. Use it as a context manager, from one thread at a time.

    `write` as often as needed, then `finalize`, look at what came (`temp_path`), and `keep` it; without that it is removed.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._size = 0
        with _translate_errors(folder):
            number, name = tempfile.mkstemp(prefix=".incoming-", dir=folder)
        self._file = os.fdopen(number, "wb")
        self.temp_path = Path(name)
        """Where the bytes lie before they are kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:
            if kind is None:
                raise
        finally:
            self.temp_path.unlink(missing_ok=True)

    def write(self, chunk: bytes) -> None:
        """
        Take in one more piece.

        :raises TooLarge: it is more than the limit.
        :raises HostError: the disk is full or broken.
        """
        self._size += len(chunk)
        if self._size > self._max_bytes:
            raise TooLarge(f"The body is larger than the {self._max_bytes:,} bytes that are taken here")
        self._hash.update(chunk)
        with _translate_errors(self._folder):
            self._file.write(chunk)

    def finalize(self) -> Blob:
        """Make sure that all of it is on the disk; nothing more can be written."""
        if not self._file.closed:
            with _translate_errors(self._folder):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        return Blob(self._hash.hexdigest(), self._size)

    def commit(self) -> Blob:
        """Keep it for good, under its digest."""
        blob = self.finalize()
        with _translate_errors(self._folder):
            self.temp_path.replace(self._folder / blob.digest)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return blob


@contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"The folder of uploads {folder} failed: {error.strerror}") from error
