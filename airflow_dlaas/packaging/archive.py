"""
A folder of code as one zip: made the same every time, and opened with suspicion.

The same files give the same bytes, whatever their times and the order they were made in, with the same zlib; another
zlib may compress differently, so what identifies a version of the code is its `digest_folder`, not the zip's.
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

from airflow_dlaas.exceptions import HostError, InvalidBundle
from airflow_dlaas.packaging import entries
from airflow_dlaas.packaging.file_type import not_zip_reason
from airflow_dlaas.packaging.files import files_to_pack
from airflow_dlaas.storage.placing import atomic_write
from airflow_dlaas.storage.sources.patterns import Patterns

CHUNK_SIZE = 1024**2
"""Bytes read at a time."""

MAX_CENTRAL_DIRECTORY_BYTES = 16 * 1024**2
"""Bytes of the list of entries: room for `entries.MOST` of them with long names, and no more memory than that."""

DEFAULT_UNPACKED_LIMIT = 16 * 1024**3
"""Bytes a zip may unpack to where it is read but never unpacked: what a service takes is its own decision."""

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the earliest a zip can say."""

ZIP_ERRORS = (
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
    target: None = None,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
) -> bytes: ...
@overload
def pack(
    folder: Path,
    *,
    target: Path,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
) -> None: ...
def pack(
    folder: Path,
    *,
    target: Path | None = None,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
) -> bytes | None:
    """
    Zip the files of *folder*: to the file *target*, which appears complete or not at all, or as the bytes returned.

    Patterns are those of a shell (``*.py``, ``data/*``), compared with the whole path below *folder*, with its last
    part and with each folder above it; *exclude* wins, and a text is one pattern. Hidden folders, ``__pycache__`` and
    ``*.pyc`` stay out unasked, and so does what the folder's ``.dlaasignore`` names, a file in the manner of a
    ``.gitignore``.

    :param allow_secrets: patterns of files that are packed though they look like secrets (`sensitive`).
    :raises InvalidArgument: patterns that are neither a text nor a sequence of texts.
    :raises InvalidBundle: nothing to pack, nested folders that were not allowed, a link that leaves the folder, a
        name that not every system can hold, or what looks like a secret. Nothing was written.
    """
    files = files_to_pack(folder, include, exclude, allow_nested, allow_secrets)
    if target is None:
        memory = io.BytesIO()
        _write_zip(memory, files)
        return memory.getvalue()
    with atomic_write(target) as file:
        _write_zip(file, files)
    return None


def digest_folder(
    folder: Path,
    *,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
) -> str:
    """
    Identify what `pack` would pack, in 64 hex digits: every name, whether it is executable, and every byte.

    Stays the same wherever and with whatever zlib it is asked. Raises as `pack` does.
    """
    whole = hashlib.sha256()
    for name, path in files_to_pack(folder, include, exclude, allow_nested, allow_secrets):
        content = hashlib.sha256()
        with _open_file(path) as file:
            for piece in _read_chunks(file, path):
                content.update(piece)
            mode = os.fstat(file.fileno()).st_mode
        whole.update(_digest_line(name, mode, content.hexdigest()))
    return whole.hexdigest()


def digest_archive(path: Path, *, unpacked_limit: int = DEFAULT_UNPACKED_LIMIT) -> str:
    """
    Identify what the zip at *path* unpacks to: if `pack` made it, as `digest_folder` identified the folder.

    Compression, times and order do not count, and a folder counts only where nothing lies in it. The zip is inspected
    as by `require_safe_archive`, nested folders allowed, with the same errors.
    """
    with _open_zip(path, True, unpacked_limit) as opened:
        contents = {entry.filename: hashlib.sha256() for entry in opened.infolist()}
        for entry, piece in _read_entries(opened, unpacked_limit):
            contents[entry.filename].update(piece)
        inside = sorted(opened.infolist(), key=lambda entry: entry.filename)
    whole = hashlib.sha256()
    for entry, following in zip(inside, [*inside[1:], None], strict=True):
        if entry.is_dir() and following and following.filename.startswith(entry.filename):
            continue
        whole.update(_digest_line(entry.filename, entry.external_attr >> 16, contents[entry.filename].hexdigest()))
    return whole.hexdigest()


def require_safe_archive(path: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Refuse what is no zip of code that can be unpacked safely; every byte of it is read and checked.

    :param unpacked_limit: bytes all files together may unpack to; counted as declared and again as really read.
    :raises InvalidBundle: with one sentence that says what it is and the way out.
    """
    with _open_verified(path, allow_nested, unpacked_limit):
        pass


def unpack(path: Path, destination: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Unpack into the folder *into*, made if missing, after the same inspection of the same open file.

    Files become 0644, or 0755 where the zip says executable. A file of the same name is replaced, never written
    through, so a link that lies there leads nowhere.

    :raises InvalidBundle: nothing was written.
    :raises HostError: *into* cannot be written, or the disk is full.
    """
    with _open_verified(path, allow_nested, unpacked_limit) as opened:
        try:
            destination.mkdir(parents=True, exist_ok=True)
            for entry in opened.infolist():
                target = destination / entry.filename
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)
                # "x" refuses whatever appeared there meanwhile.
                with opened.open(entry) as content, target.open("xb") as file:
                    shutil.copyfileobj(content, file, CHUNK_SIZE)
                    os.fchmod(file.fileno(), _normalize_mode(entry.external_attr >> 16))
        except OSError as error:
            raise HostError(f"The code cannot be unpacked into {destination}: {error.strerror or error}") from error


def _digest_line(name: str, mode: int, content_digest: str) -> bytes:
    return f"{name}\0{_normalize_mode(mode):o}\0{content_digest}\n".encode()


def _normalize_mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _write_zip(file: IO[bytes], files: Sequence[tuple[str, Path]]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, path in files:
            with _open_file(path) as content:
                status = os.fstat(content.fileno())
                entry = zipfile.ZipInfo(name, ZIP_EPOCH)
                entry.create_system = 3  # Unix: what the upper half of external_attr is in
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | _normalize_mode(status.st_mode)) << 16
                entry.file_size = status.st_size  # decides on the 64-bit form
                with archive.open(entry, "w") as place:
                    for piece in _read_chunks(content, path):
                        place.write(piece)


def _open_file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be packed: {error.strerror or error}") from error


def _read_chunks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read(CHUNK_SIZE)
        except OSError as error:
            raise InvalidBundle(f"{path} cannot be read: {error.strerror or error}") from error
        if not piece:
            return
        yield piece


class _BoundedReadFile(io.FileIO):
    """A file that is never read in one piece larger than a list of entries may be: `zipfile` reads that list whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_CENTRAL_DIRECTORY_BYTES:
            raise InvalidBundle(
                f"The zip has far more than {entries.MAX_ENTRIES:,} entries, or claims to: data is not code"
            )
        return super().read(-1 if size is None else size) or b""


@contextmanager
def _open_verified(path: Path, allow_nested: bool, unpacked_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open *path* and inspect it, all of it."""
    with _open_zip(path, allow_nested, unpacked_limit) as opened:
        for _ in _read_entries(opened, unpacked_limit):
            pass
        yield opened


@contextmanager
def _open_zip(path: Path, allow_nested: bool, unpacked_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open *path* and inspect its list of entries."""
    try:
        file = _BoundedReadFile(path)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be opened: {error.strerror or error}") from error
    with file:
        if complaint := not_zip_reason(file.read(CHUNK_SIZE)):
            raise InvalidBundle(complaint)
        file.seek(0)
        try:
            opened = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            raise InvalidBundle(
                f"The zip is damaged, its list of files cannot be read: make it again ({error})"
            ) from error
        with opened:
            entries.require_safe_entries(opened.infolist(), allow_nested=allow_nested, unpacked_limit=unpacked_limit)
            yield opened


def _read_entries(archive: zipfile.ZipFile, unpacked_limit: int) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Read each entry piece by piece, to its end: there its checksum is compared."""
    seen = 0
    for entry in archive.infolist():
        try:
            with archive.open(entry) as content:
                while piece := content.read(CHUNK_SIZE):
                    seen += len(piece)
                    entries.require_unpacked_size(seen, unpacked_limit)
                    yield entry, piece
        except ZIP_ERRORS as error:  # noqa: PERF203  (which entry it is has to be said)
            raise InvalidBundle(f"{entry.filename!r} in the zip is damaged: make the zip again ({error})") from error
