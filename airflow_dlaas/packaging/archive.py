"""
Archives: a folder of code as one zip, packed reproducibly, and verified before it is unpacked.

With one version of zlib, equal files give equal bytes, whatever their times and the order in which they were created.
Another zlib may compress differently, so a version of the code is identified by `digest_folder` and not by the digest
of the zip.
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

from airflow_dlaas._util.atomic_write import atomic_write
from airflow_dlaas.contract.patterns import Patterns
from airflow_dlaas.exceptions import HostError, InvalidBundle
from airflow_dlaas.packaging import entries
from airflow_dlaas.packaging.file_type import not_zip_reason
from airflow_dlaas.packaging.files import files_to_pack
from airflow_dlaas.packaging.requirements_file import add_files

CHUNK_SIZE = 1024**2
"""Bytes read at a time."""

MAX_CENTRAL_DIRECTORY_BYTES = 16 * 1024**2
"""Bytes of the list of entries: enough for `entries.MAX_ENTRIES` with long names, and a limit of the memory used."""

DEFAULT_UNPACKED_LIMIT = 16 * 1024**3
"""Unpacked bytes of a zip that is read but never unpacked; the service has a limit of its own."""

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The modification time of every file: the earliest that a zip can represent."""

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
"""Errors of `zipfile` for damaged archives; an OSError comes from a seek before the beginning of the file."""


@overload
def pack(
    folder: Path,
    *,
    target: None = None,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
    extra: Sequence[tuple[str, Path]] = (),
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
    extra: Sequence[tuple[str, Path]] = (),
) -> None: ...
def pack(
    folder: Path,
    *,
    target: Path | None = None,
    include: Patterns = None,
    exclude: Patterns = (),
    allow_nested: bool = False,
    allow_secrets: Patterns = (),
    extra: Sequence[tuple[str, Path]] = (),
) -> bytes | None:
    """
    Pack the files of *folder* into the file *target*, which appears complete or not at all; without it, return the zip.

    Patterns are shell patterns (``*.py``, ``data/*``), see `patterns.matches_any`; *exclude* takes precedence over
    *include*, and a text is one pattern. Hidden folders, ``__pycache__`` and ``*.pyc`` are always left out, and so are
    the files that the ``.dlaasignore`` of the folder matches, which has the syntax of a ``.gitignore``.

    :param allow_secrets: patterns of files that are packed although they look like secrets (`secret_scan`).
    :param extra: further files, by name in the zip, such as `requirements_file.requirements_file` makes.
    :raises InvalidArgument: patterns are neither a text nor a sequence of texts.
    :raises HostError: *target* cannot be written.
    :raises InvalidBundle: there is no file to pack, a nested folder without *allow_nested*, a link that leaves the
        folder, a name that some systems do not support, or a file that looks like a secret. Nothing was written.
    """
    files = add_files(files_to_pack(folder, include, exclude, allow_nested, allow_secrets), extra)
    if target is None:
        memory = io.BytesIO()
        _write_zip(memory, files)
        return memory.getvalue()
    try:
        with atomic_write(target) as file:
            _write_zip(file, files)
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror or error}") from error
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
    Return the digest, 64 hex digits, of the files that `pack` would pack: of the names, executable bits and contents.

    It is the same on every machine and with every version of zlib. Raises as `pack` does.
    """
    digest = hashlib.sha256()
    for name, path in files_to_pack(folder, include, exclude, allow_nested, allow_secrets):
        content = hashlib.sha256()
        with _open_file(path) as file:
            for chunk in _read_chunks(file, path):
                content.update(chunk)
            mode = os.fstat(file.fileno()).st_mode
        digest.update(_digest_line(name, mode, content.hexdigest()))
    return digest.hexdigest()


def digest_archive(path: Path, *, unpacked_limit: int = DEFAULT_UNPACKED_LIMIT) -> str:
    """
    Return the digest of the files in the zip at *path*; equal to `digest_folder` of the folder that was packed.

    Compression, times and order do not count, and a folder counts only if it is empty. The zip is verified as by
    `require_safe_archive` with *allow_nested*, with the same errors.
    """
    with _open_zip(path, True, unpacked_limit) as opened:
        contents = {entry.filename: hashlib.sha256() for entry in opened.infolist()}
        for entry, chunk in _read_entries(opened, unpacked_limit):
            contents[entry.filename].update(chunk)
        in_order = sorted(opened.infolist(), key=lambda entry: entry.filename)
    digest = hashlib.sha256()
    for entry, following in zip(in_order, [*in_order[1:], None], strict=True):
        if entry.is_dir() and following and following.filename.startswith(entry.filename):
            continue
        digest.update(_digest_line(entry.filename, entry.external_attr >> 16, contents[entry.filename].hexdigest()))
    return digest.hexdigest()


def require_safe_archive(path: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Check that *path* is a zip of code that can be unpacked safely; every byte of it is read and verified.

    :param unpacked_limit: maximum of the unpacked bytes of all files; checked for the declared sizes, and again for the
        bytes that were read.
    :raises InvalidBundle: it is not; the message has the cause and what to change.
    """
    with _open_verified(path, allow_nested, unpacked_limit):
        pass


def unpack(path: Path, destination: Path, *, allow_nested: bool = False, unpacked_limit: int) -> None:
    """
    Unpack into the folder *destination*, which is created if missing, after `require_safe_archive` of the open file.

    Files get mode 0644, or 0755 if they are executable in the zip. An existing file of the same name is replaced and
    not opened, so that nothing is written through a link.

    :raises InvalidBundle: the zip is refused; nothing was written.
    :raises HostError: *destination* cannot be written, or its disk is full.
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
                # "x" fails if another process has created the file meanwhile.
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
                entry.create_system = 3  # Unix: the system of the mode bits in the upper half of external_attr
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = (stat.S_IFREG | _normalize_mode(status.st_mode)) << 16
                entry.file_size = status.st_size  # chooses the 64-bit format for large files
                with archive.open(entry, "w") as packed:
                    for chunk in _read_chunks(content, path):
                        packed.write(chunk)


def _open_file(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be packed: {error.strerror or error}") from error


def _read_chunks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(CHUNK_SIZE)
        except OSError as error:
            raise InvalidBundle(f"{path} cannot be read: {error.strerror or error}") from error
        if not chunk:
            return
        yield chunk


class _BoundedReadFile(io.FileIO):
    """A file that refuses a read of more bytes than a list of entries may have: `zipfile` reads that list at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_CENTRAL_DIRECTORY_BYTES:
            raise InvalidBundle(
                f"The zip has far more than {entries.MAX_ENTRIES:,} entries, or claims to: data is not code"
            )
        return super().read(-1 if size is None else size) or b""


@contextmanager
def _open_verified(path: Path, allow_nested: bool, unpacked_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open *path* and verify all of it."""
    with _open_zip(path, allow_nested, unpacked_limit) as opened:
        for _ in _read_entries(opened, unpacked_limit):
            pass
        yield opened


@contextmanager
def _open_zip(path: Path, allow_nested: bool, unpacked_limit: int) -> Iterator[zipfile.ZipFile]:
    """Open *path* and verify its list of entries."""
    try:
        file = _BoundedReadFile(path)
    except OSError as error:
        raise InvalidBundle(f"{path} cannot be opened: {error.strerror or error}") from error
    with file:
        if reason := not_zip_reason(file.read(CHUNK_SIZE)):
            raise InvalidBundle(reason)
        file.seek(0)
        try:
            opened = zipfile.ZipFile(file)
        except ZIP_ERRORS as error:
            raise InvalidBundle(
                f"The zip is damaged: its list of files cannot be read. Make the zip again ({error})"
            ) from error
        with opened:
            entries.require_safe_entries(opened.infolist(), allow_nested=allow_nested, unpacked_limit=unpacked_limit)
            yield opened


def _read_entries(archive: zipfile.ZipFile, unpacked_limit: int) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """Read each entry in chunks to its end, where `zipfile` compares its checksum."""
    total = 0
    for entry in archive.infolist():
        try:
            with archive.open(entry) as content:
                while chunk := content.read(CHUNK_SIZE):
                    total += len(chunk)
                    entries.require_unpacked_size(total, unpacked_limit)
                    yield entry, chunk
        except ZIP_ERRORS as error:  # noqa: PERF203  (the error names the entry)
            raise InvalidBundle(f"{entry.filename!r} in the zip is damaged: make the zip again ({error})") from error
