"""Marks environments as in use, so that none is removed while a command runs in it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dlaas._util.file_lock import UNSUPPORTED

USE_SUFFIX = ".use"
"""Ending of the file beside an environment: locked (shared) while it is in use; its time is that of the last use."""


@contextmanager
def environment_in_use(environment: Path) -> Iterator[None]:
    """
    Mark *environment* as in use during the block; it need not exist yet. Several processes may use it at once.

    While another process removes it, this waits for the end of the removal.

    :raises OSError: the file beside it cannot be written.
    """
    descriptor = _open(environment)
    try:
        with suppress_unsupported():
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.utime(descriptor)
        yield
    finally:
        with suppress(OSError):
            os.utime(descriptor)
        os.close(descriptor)


@contextmanager
def removal_of(environment: Path) -> Iterator[bool]:
    """Yield whether *environment* is unused; during the block it cannot come into use."""
    descriptor = _open(environment)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unused = True
        except OSError:  # in use, or a file system without locks: nothing is known about use there
            unused = False
        yield unused
    finally:
        os.close(descriptor)


def last_used(environment: Path) -> float:
    """Return the time of the last use in seconds since 1970; of an environment of an earlier release, its own time."""
    for path in (environment.with_name(environment.name + USE_SUFFIX), environment):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


@contextmanager
def suppress_unsupported() -> Iterator[None]:
    """Ignore the error of a file system without locks."""
    try:
        yield
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _open(environment: Path) -> int:
    # The file is never removed: a process could lock a file that has no name any more.
    return os.open(environment.with_name(environment.name + USE_SUFFIX), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
