"""
Folders that take long to fill: gathered beside their place, so that an attempt goes on where one before it broke off.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dlaas.exceptions import DlaasError, HostError
from airflow_dlaas.task_runs.locations import local_path, publish_from_local, replace_path

PART_SUFFIX = ".dlaas-part"
LOCK_SUFFIX = ".dlaas-lock"

LOCK_UNSUPPORTED_ERRNOS = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}
"""What a file system says that knows no locks. Then nobody is told of another process, and all else is as usual."""


@contextmanager
def resumable_folder(location: str, content_id: str) -> Iterator[Path]:
    """
    As `publish_from_local`, for a folder that takes long to fill: where the place is local, the next attempt goes on with it.

    It lies beside the place, hidden, and is named by *content_id* it is filled with. It stays when the attempt ends with a
    transient error, or with its process; any other error of ours is final and removes it. So is what attempts at
    something else have left beside the same place.

    :raises HostError: another process is filling it, or nothing can be written there.
    """
    local = local_path(location)
    if local is None:
        with publish_from_local(location) as made:
            yield made
        return
    folder = local.with_name(f".{local.name}.{re.sub('[^A-Za-z0-9_-]', '-', content_id)}{PART_SUFFIX}")
    with _exclusive_lock(folder):
        _remove_leftovers(local, exclude=folder)
        try:
            yield folder
        except DlaasError as error:
            if not error.transient:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        replace_path(local, folder)


@contextmanager
def _exclusive_lock(folder: Path) -> Iterator[None]:
    lock = folder.with_suffix(LOCK_SUFFIX)
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = _acquire_lock(lock)
    except BlockingIOError:
        raise HostError(f"{folder} is being filled by another process: wait for it, or end it") from None
    except OSError as error:
        raise HostError(f"{folder.parent} cannot be written: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _acquire_lock(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in LOCK_UNSUPPORTED_ERRNOS:
                os.close(handle)
                raise
        # Whoever had it may have removed the file since we opened it; then others lock another one.
        with suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == lock.stat().st_ino:
                return handle
        os.close(handle)


def _remove_leftovers(local: Path, *, exclude: Path) -> None:
    found = local.parent.glob(f".{glob.escape(local.name)}.*")
    for folder in {one.with_suffix(PART_SUFFIX) for one in found if one.suffix in {PART_SUFFIX, LOCK_SUFFIX}}:
        # With another dot in it, it belongs to a place whose name begins like this one's.
        if folder != exclude and folder.name.count(".") == exclude.name.count("."):
            with suppress(HostError), _exclusive_lock(folder):
                shutil.rmtree(folder, ignore_errors=True)
