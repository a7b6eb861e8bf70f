"""The archives of code: one directory, in which the SHA-256 of each file is its name."""

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

from airflow_dlaas._util.atomic_write import fsync_directory
from airflow_dlaas.exceptions import HostError, TooLarge

GRACE_PERIOD = 3600.0
"""Seconds that an unused blob is kept: an upload or a submission in progress may be about to use it."""

_DIGEST_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored blob."""

    digest: str
    size: int


class BlobStore:
    """
    Stores bytes by their digest in *folder*, which is created if it is missing.

    Any number of threads and processes may use one directory: a blob appears complete, under its digest, or not at all.
    The same bytes are stored once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with _translate_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start_upload(self, max_bytes: int) -> BlobUpload:
        """Start an upload of at most *max_bytes* bytes; a context manager that discards what is not committed."""
        return BlobUpload(self._folder, max_bytes)

    def path(self, digest: str) -> Path:
        """
        Return the path of the blob with *digest*, whether it exists or not; raise `ValueError` for an invalid digest.
        """
        if len(digest) != _DIGEST_LENGTH or not digest.isalnum():
            raise ValueError("A blob is named by its SHA-256 in hexadecimal")
        return self._folder / digest

    def touch(self, digest: str) -> bool:
        """
        Return whether the blob exists; if so, `delete_unused` does not remove it within its grace period.

        False for an invalid *digest*, which a damaged record may have.
        """
        try:
            os.utime(self.path(digest))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def delete_unused(self, used_digests: Collection[str], *, grace_period: float = GRACE_PERIOD) -> int:
        """
        Remove blobs not in *used_digests* and leftovers of uploads, if untouched for *grace_period* seconds.

        Return the number of removed files. Read *used_digests* from the store first: a blob that is used later is
        touched later.
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
                    continue  # another process removes files, too
        return removed


class BlobUpload:
    """
    An upload of one blob. Use it as a context manager, from one thread at a time.

    Call `write` for each chunk, then `finalize`; check the file at `temp_path`; then `commit`. Without `commit`, the
    file is removed. `airflow_dlaas._util.atomic_write` does not serve here: the name of the file is known only at its
    end.
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
        """Path of the bytes before `commit`."""

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
        Append *chunk*.

        :raises TooLarge: the blob is larger than the limit.
        :raises HostError: the file cannot be written.
        """
        self._size += len(chunk)
        if self._size > self._max_bytes:
            raise TooLarge(f"The body is larger than the {self._max_bytes:,} bytes that are accepted")
        self._hash.update(chunk)
        with _translate_errors(self._folder):
            self._file.write(chunk)

    def finalize(self) -> Blob:
        """Sync the file to the disk, and close it; return digest and size. Nothing more can be written."""
        if not self._file.closed:
            with _translate_errors(self._folder):
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
        return Blob(self._hash.hexdigest(), self._size)

    def commit(self) -> Blob:
        """Store the blob permanently under its digest."""
        blob = self.finalize()
        with _translate_errors(self._folder):
            self.temp_path.replace(self._folder / blob.digest)
            fsync_directory(self._folder)
        return blob


@contextmanager
def _translate_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HostError(f"The directory of archives {folder} failed: {error.strerror}") from error
