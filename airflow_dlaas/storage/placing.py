"""Files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from airflow_dlaas.exceptions import HostError


@contextmanager
def atomic_write(target: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """
    Write beside *target* and rename at the end; after an error nothing is left, and what was there before stays.

    Against a crash of the program, not of the machine: nothing is forced to disk.

    :raises HostError: the file cannot be written here. An OSError from within the block is taken for that.
    """
    aside: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        aside = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            os.fchmod(file.fileno(), mode)
        aside.replace(target)
        aside = None
    except OSError as error:
        raise HostError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        if aside is not None:
            aside.unlink(missing_ok=True)
