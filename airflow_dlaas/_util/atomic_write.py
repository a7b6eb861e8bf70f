"""Atomic file writes: a reader finds the old content or the new one, complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".part"
"""The end of the name of a file that is being written; it stays behind only if the process is killed."""

MAX_STEM = 200
"""Bytes of a file's name that fit into its temporary name; most file systems permit 255 bytes in all."""


@contextmanager
def atomic_write(
    path: Path, *, mode: int | None = 0o644, fsync: bool = False, overwrite: bool = True
) -> Iterator[BinaryIO]:
    """
    Yield a file beside *path* to write to; rename it to *path* when the block ends.

    After an error in the block nothing is left of it, and the file at *path* stays as it was. A symbolic link at
    *path* is replaced, not followed. The temporary file begins with a dot and, unless the name is too long, with the
    name of *path*: ``.<name>.<random>.part``.

    :param mode: the permission bits of the finished file, whatever the umask. Only the owner can read the file until it
        is complete. None: the bits that `open` gives a new file.
    :param fsync: make content and name durable before returning. Without it, a crash of the machine may lose the file,
        or its content; a crash of the process does not.
    :param overwrite: False: of several processes that write to *path* at the same time, one succeeds.
    :raises FileExistsError: *path* exists, and *overwrite* is False.
    :raises OSError: the file cannot be written.
    """
    stem = f".{path.name}" if len(os.fsencode(path.name)) <= MAX_STEM else ""
    temporary = path.with_name(f"{stem}.{os.urandom(8).hex()}{SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.flush()
            if fsync:
                os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # refused where the name is taken; a rename is not
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if fsync:
        fsync_directory(path.parent)


def atomic_write_text(
    path: Path, content: str, *, mode: int | None = 0o644, fsync: bool = False, overwrite: bool = True
) -> None:
    """
    Write *content* to *path* as UTF-8, with the guarantees and the errors of `atomic_write`.

    :raises UnicodeEncodeError: *content* has characters that UTF-8 cannot encode; nothing is written.
    """
    encoded = content.encode()
    with atomic_write(path, mode=mode, fsync=fsync, overwrite=overwrite) as file:
        file.write(encoded)


def fsync_directory(directory: Path) -> None:
    """Make the names in *directory* durable, after files have been created, renamed or removed there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
