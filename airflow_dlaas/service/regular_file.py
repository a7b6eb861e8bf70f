"""
Opening files that a command may have replaced: by a link to another directory, or by a pipe, which blocks on open.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular_fd(path: Path | str, flags: int) -> int:
    """
    Open *path* and return its file descriptor. Symbolic links are not followed, and this never blocks.

    :raises OSError: *path* is no regular file, or cannot be opened.
    """
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return file


def open_regular_file(path: Path | str) -> BinaryIO:
    """
    Open the regular file *path* to read its bytes; see `open_regular_fd`.

    :raises FileNotFoundError: *path* does not exist.
    :raises OSError: *path* is no regular file, or cannot be opened.
    """
    return os.fdopen(open_regular_fd(path, os.O_RDONLY), "rb")
