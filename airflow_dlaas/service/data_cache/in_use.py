"""
Which entries trainings use: a file for each learner, locked as long as the learner lives.

One lock for all entries of a learner, and not one for each entry: a process may have some thousand open files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from airflow_dlaas._util.file_lock import acquire_file_lock
from airflow_dlaas.service.data_cache.entries import remove_if_unlocked
from airflow_dlaas.service.data_cache.entry_names import EntryKey

USE_SUFFIX = ".use"


class UseFile:
    """
    The file of one learner. Its entries count as used until `close`, or until the process ends.

    Make it while the cache is locked: another process might lock the new file first, and remove it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}-{os.urandom(8).hex()}{USE_SUFFIX}"
        self._fd = acquire_file_lock(self._path, timeout=0)

    def add(self, source: str, sizes: Mapping[str, int]) -> None:
        """Add entries, by their names; call it while the cache is locked."""
        line = json.dumps({"source": source, "sizes": sizes}) + "\n"
        data = memoryview(line.encode())
        os.lseek(self._fd, 0, os.SEEK_END)
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """End the use."""
        if self._fd >= 0:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def entries_in_use(folder: Path) -> dict[EntryKey, int]:
    """
    Return the sizes of the entries that learners use; remove the files of learners that do not live any more.

    Call it while the cache is locked, so that no learner is writing its file.
    """
    return {key: size for sizes in uses(folder) for key, size in sizes.items()}


def uses(folder: Path) -> Iterator[dict[EntryKey, int]]:
    """Yield the sizes of the entries that each learner uses, as `entries_in_use`."""
    for path in remove_ended(folder):
        yield _read(path)


def remove_ended(folder: Path) -> list[Path]:
    """Remove the files of learners that do not live any more, while the cache is locked; return the others."""
    return [path for path in sorted(folder.glob(f"*{USE_SUFFIX}")) if not remove_if_unlocked(path)]


def _read(path: Path) -> dict[EntryKey, int]:
    sizes: dict[EntryKey, int] = {}
    with suppress(FileNotFoundError):
        for line in path.read_text("utf-8").splitlines():
            document = json.loads(line)
            sizes.update({(document["source"], name): size for name, size in document["sizes"].items()})
    return sizes
