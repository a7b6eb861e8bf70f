"""
Which files are open for writing, found with read leases: the kernel grants none for such a file.

A lease is released at once. A program that opens the file for writing at the same moment waits for that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from pathlib import Path

from airflow_dlaas.service.checkpoints.manifest import EntryKind
from airflow_dlaas.service.checkpoints.snapshot import Entry, FoundFile, Snapshot

BREAK_SIGNAL = signal.SIGURG
"""The signal of a lease that a program waits for. It is ignored by default; the usual one, SIGIO, ends the process."""


LOG_SUFFIXES = (".log", "log.txt", ".csv", ".jsonl")

EVENT_FILE = "/events.out.tfevents."
"""In the path of an event file of TensorBoard."""


class OpenState(Enum):
    """What a lease shows."""

    OPEN = "open"
    """A program has the file open for writing, or has it in its memory for writing."""
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """Neither the file system nor the owner of the file permits a lease, or the file is gone."""


def has_open_file(folder: Path, files: Iterable[FoundFile]) -> bool:
    """Whether one of *files* in *folder* is open for writing, as far as that can be known."""
    return any(open_state(f"{folder}/{one.path}") is OpenState.OPEN for one in files)


def without_open_logs(folder: Path, snapshot: Snapshot) -> Snapshot:
    """
    Leave out logs in folders that are open for writing.

    Some frameworks have a log beside their checkpoints, open for the whole run: with it, the folder would never be
    complete.
    """
    entries, skipped = dict[str, Entry](), dict(snapshot.skipped)
    for name, entry in snapshot.entries.items():
        logs = [one for one in entry.files if one.path.endswith(LOG_SUFFIXES) or EVENT_FILE in one.path]
        is_folder = entry.top.kind is EntryKind.FOLDER
        opened = {one for one in logs if is_folder and has_open_file(folder, [one])}
        entries[name] = (
            replace(entry, found=tuple(one for one in entry.found if one not in opened)) if opened else entry
        )
        skipped |= {one.path: "a log that is open; only the last checkpoint has it" for one in opened}
    return Snapshot(entries, skipped)


def open_state(path: Path | str) -> OpenState:
    """Return whether the file at *path* is open for writing in any process of this machine."""
    try:
        # A pipe would wait for a program that writes it.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return OpenState.UNKNOWN
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, BREAK_SIGNAL)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return OpenState.OPEN if error.errno == errno.EAGAIN else OpenState.UNKNOWN
    finally:
        os.close(fd)
    return OpenState.CLOSED
