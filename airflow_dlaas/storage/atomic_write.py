"""Files on this machine that appear complete or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airflow_dlaas._util import atomic_write as files
from airflow_dlaas.exceptions import HostError


@contextmanager
def atomic_write(target: Path, mode: int = 0o644) -> Iterator[BinaryIO]:
    """
    Yield a file beside *target* to write to; rename it to *target* when the block ends, without `fsync`.

    After an error in the block nothing is left of it, and the file at *target* stays as it was.

    :param mode: the permission bits of the finished file.
    :raises HostError: the file cannot be written. Every OSError of the block is taken for this.
    """
    try:
        with files.atomic_write(target, mode=mode) as file:
            yield file
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror or error}") from error
