"""What is in the files of metrics before a command begins: metrics of earlier attempts, which are not read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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
