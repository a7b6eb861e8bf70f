"""
A folder of code as one zip: made the same every time, and opened with suspicion.

The same files give the same bytes, whatever their times and the order they were made in, with the same zlib; another
zlib may compress differently, so what identifies a version of the code is its `digest`, not the zip's.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, overload

from airflow_dlaas.errors import HostError, InvalidBundle
from airflow_dlaas.storage import entries
from airflow_dlaas.storage.folder import files_of
from airflow_dlaas.storage.magic import kind_of
from airflow_dlaas.storage.placing import written_aside

PIECE = 1024**2
"""Bytes read at a time."""

LARGEST_DIRECTORY = 16 * 1024**2
"""Bytes of the list of entries: room for `entries.MOST` of them with long names, and no more memory than that."""

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the earliest a zip can say."""

UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OverflowError,
    OSError,
)
"""How `zipfile` complains about damaged ones; an OSError is the seek to a place before the beginning."""


@overload
def pack(
    folder: Path,
    *,
    into: None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    allow_nested: bool = False,
) -> bytes: ...
@overload
def pack(
    folder: Path,
    *,
    into: Path,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    allow_nested: bool = False,
) -> None: ...
def pack(
    folder: Path,
    *,
    into: Path | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    allow_nested: bool = False,
) -> bytes | None:
    """
    Zip the files of *folder*: to the file *into*, which appears complete or not at all, or as the bytes returned.

    Patterns are those of a shell (``*.py``, ``data/*``), compared with the whole path below *folder*, with its last
    part and with each folder above it; *exclude* wins. Hidden folders, ``__pycache__`` and ``*.pyc`` stay out unasked.

    :raises InvalidBundle: nothing to pack, nested folders that were not allowed, a link that leaves the folder, a
        name that not every system can hold.
    """
    files = files_of(folder, include, exclude, allow_nested)
    if into is None:
        memory = io.BytesIO()
        _write(memory, files)
        return memory.getvalue()
    with written_aside(into) as file:
        _write(file, files)
    return None


def digest(
    folder: Path,
    *,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    allow_nested: bool = False,
) -> str:
    """
    Identify what `pack` would pack, in 64 hex digits: every name, whether it is executable, and every byte.

    Stays the same wherever and with whatever zlib it is asked. Raises as `pack` does.
    """
    whole = hashlib.sha256()
    for name, path in files_of(folder, include, exclude, allow_nested):
        content = hashlib.sha256()
        with _opened(path) as file:
            for piece in _pieces(file, path):
                content.update(piece)
            mode = _mode(os.fstat(file.fileno()).st_mode)
        whole.update(f"{name}\0{mode:o}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def inspect(path: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Refuse what is no zip of code that can be unpacked safely; every byte of it is read and checked.

    :param unpacked_limit: bytes all files together may unpack to; counted as declared and again as really read.
    :raises InvalidBundle: with one sentence that says what it is and the way out.
    """
    with _sound(path, allow_nested, unpacked_limit):
        pass


def unpack(path: Path, into: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Unpack into the folder *into*, made if missing, after the same inspection of the same open file.

    Files become 0644, or 0755 where the zip says executable. A file of the same name is replaced, never written
    through, so a link that lies there leads nowhere.

    :raises InvalidBundle: nothing was written.
    :raises HostError: *into* cannot be written, or the disk is full.
    """
    with _sound(path, allow_nested, unpacked_limit) as opened:
        try:
            into.mkdir(parents=True, exist_ok=True)
            for entry in opened.infolist():
                target = into / entry.filename
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                # "x" refuses whatever appeared there meanwhile.
                with opened.open(entry) as content, target.open("xb") as file:
                    shutil.copyfileobj(content, file, PIECE)
                    os.fchmod(file.fileno(), _mode(entry.external_attr >> 16))
        except OSError as error:
            raise HostError(f"The code cannot be unpacked into {into}: {error.strerror or error}") from error


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _write(file: IO[bytes], files: Sequence[tuple[str, Path]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, path in files:
            with _opened(path) as content:
                status = os.fstat(content.fileno())
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.create_system = 3  # Unix: what the upper half of external_attr is in
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | _mode(status.st_mode)) << 16
                entry.file_size = status.st_size  # decides on the 64-bit form
                with archive.open(entry, "w") as place:
                    for piece in _pieces(content, path):
                        place.write(piece)


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be packed: {error.strerror or error}") from error


def _pieces(file: IO[bytes], path: Path) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read(PIECE)
        except OSError as error:
            raise InvalidBundle(f"{path} cannot be read: {error.strerror or error}") from error
        if not piece:
            return
        yield piece


class _Frugal(io.FileIO):
    """A file that is never read in one piece larger than a list of entries may be: `zipfile` reads that list whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_DIRECTORY:
            raise InvalidBundle(f"The zip has far more than {entries.MOST:,} entries, or claims to: data is not code")
        return super().read(-1 if size is None else size) or b""


@contextmanager
def _sound(path: Path, allow_nested: bool, unpacked_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open *path* and inspect it, all of it."""
    try:
        file = _Frugal(path)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be opened: {error.strerror or error}") from error
    with file:
        if complaint := kind_of(file.read(PIECE)):
            raise InvalidBundle(complaint)
        file.seek(0)
        try:
            opened = zipfile.ZipFile(file)
        except UNREADABLE as error:
            raise InvalidBundle(
                f"The zip is damaged, its list of files cannot be read: make it again ({error})"
            ) from error
        with opened:
            entries.check_entries(opened.infolist(), allow_nested=allow_nested, unpacked_limit=unpacked_limit)
            _read_through(opened, unpacked_limit)
            yield opened


def _read_through(opened: zipfile.ZipFile, limit: int) -> None:
    seen = 0
    for entry in opened.infolist():
        try:
            with opened.open(entry) as content:
                while piece := content.read(PIECE):  # compares the CRC at the end
                    seen += len(piece)
                    entries.check_size(seen, limit)
        except UNREADABLE as error:  # noqa: PERF203  (which entry it is has to be said)
            raise InvalidBundle(f"{entry.filename!r} in the zip is damaged: make the zip again ({error})") from error
