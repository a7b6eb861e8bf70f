"""What earlier attempts of the training have left in the files of metrics: it is continued, and not read again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.regular_file import open_regular_fd


@dataclass(frozen=True, slots=True)
class EarlierContent:
    """The metrics that a collector leaves out."""

    attempt: int = 1
    """The attempt that begins."""
    log_size: int = 0
    """Bytes at the beginning of the log."""
    event_files: frozenset[Path] = frozenset()
    """Event files that came with the checkpoint or, in a further attempt, with the code."""


NOTHING_EARLIER = EarlierContent()


def find_earlier_content(attempt: int, log: Path, event_dirs: Sequence[Path], restored: Path | None) -> EarlierContent:
    """
    Find what the attempt leaves out. Call it before the command begins.

    An event file that is there by then is not read at all, also if the command appends to it: an earlier attempt has
    read the values in it. For a first attempt this holds for those of a checkpoint only: another training has measured
    them.

    :param restored: the folder with a restored checkpoint, if there is one.
    """
    folders = event_dirs if attempt > 1 else [restored] if restored is not None else []
    if not folders:
        return NOTHING_EARLIER
    # Imported here: it takes a tenth of a second.
    from airflow_dlaas.service.learner.event_files import iter_event_files

    log_size = log.stat().st_size if attempt > 1 and log.is_file() else 0
    return EarlierContent(attempt, log_size, frozenset(path for root in folders for path in iter_event_files(root)))


def end_last_line(path: Path) -> None:
    """
    End the last line of the file *path*, which is incomplete if a learner was killed while it wrote. Does nothing if
    there is no file.

    :raises OSError: it is no regular file, or cannot be written.
    """
    try:
        file = os.fdopen(open_regular_fd(path, os.O_RDWR | os.O_APPEND), "r+b")
    except FileNotFoundError:
        return
    with file:
        size = file.seek(0, os.SEEK_END)
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            file.write(b"\n")
