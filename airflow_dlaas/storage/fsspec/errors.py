"""Our errors as Python's own of files, which is what callers of a file system look for. They stay the cause."""

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
"""Python picks the class by the number: a `FileNotFoundError`, a `PermissionError`. Others are input or output."""


@contextmanager
def translate_to_os_errors(path: str) -> Iterator[None]:
    """Raise a `StoreError` or a `HostError` from within as the OSError about *path* that says the same."""
    try:
        yield
    except StoreUnreachable as error:
        raise ConnectionError(errno.EHOSTUNREACH, str(error), path) from error
    except StoreError as error:
        raise OSError(ERRNO_BY_ERROR.get(type(error), errno.EIO), str(error), path) from error
    except HostError as error:
        raise OSError(getattr(error.__cause__, "errno", None) or errno.EIO, str(error), path) from error


def not_found_error(path: str) -> FileNotFoundError:
    """Say that there is nothing at *path*."""
    return FileNotFoundError(errno.ENOENT, "There is no such object or folder", path)


def is_directory_error(path: str) -> IsADirectoryError:
    """Say that *path* is a folder, where a file is needed."""
    return IsADirectoryError(errno.EISDIR, "This is a folder", path)


def file_exists_error(path: str) -> FileExistsError:
    """Say that something is at *path* already."""
    return FileExistsError(errno.EEXIST, "This is there already", path)
