"""Translation of our errors into OSErrors, which callers of a file system expect. Ours stay the cause."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from airflow_dlaas.exceptions import (
    ContainerNotFound,
    HostError,
    InvalidName,
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnreachable,
)

ERRNO_BY_ERROR: dict[type[StoreError], int] = {
    ContainerNotFound: errno.ENOENT,
    ObjectNotFound: errno.ENOENT,
    StoreRefused: errno.EACCES,
    StoreFull: errno.ENOSPC,
    InvalidName: errno.EINVAL,
}
"""The errno of each class, from which Python chooses a `FileNotFoundError` or a `PermissionError`; others get EIO."""


@contextmanager
def translate_to_os_errors(path: str) -> Iterator[None]:
    """Raise a `StoreError` or a `HostError` of the block as an OSError about *path* with the same message."""
    try:
        yield
    except StoreUnreachable as error:
        raise ConnectionError(errno.EHOSTUNREACH, str(error), path) from error
    except StoreError as error:
        raise OSError(ERRNO_BY_ERROR.get(type(error), errno.EIO), str(error), path) from error
    except HostError as error:
        raise OSError(getattr(error.__cause__, "errno", None) or errno.EIO, str(error), path) from error


def not_found_error(path: str) -> FileNotFoundError:
    """Return the error for a *path* that does not exist."""
    return FileNotFoundError(errno.ENOENT, "There is no such object or folder", path)


def is_directory_error(path: str) -> IsADirectoryError:
    """Return the error for a folder *path* where a file is needed."""
    return IsADirectoryError(errno.EISDIR, "This is a folder", path)


def file_exists_error(path: str) -> FileExistsError:
    """Return the error for a *path* that must not exist."""
    return FileExistsError(errno.EEXIST, "This path exists already", path)
