"""
Checksum cache: the MD5s of files, so that a file that did not change is not read again.

The cache is optional: where it cannot be read or written, files are hashed as if it were empty.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from typing_extensions import Self

if TYPE_CHECKING:
    from airflow_dlaas.storage.sources.local import SourceFile

logger = logging.getLogger(__name__)

QUERY_BATCH_SIZE = 400
"""Files that one statement looks up: the oldest builds of SQLite accept 999 values."""

LOCK_TIMEOUT = 2.0
"""Seconds to wait for another process that is writing; after that the cache is not used."""

MAX_AGE = 180 * 24 * 3600
"""Seconds after which an entry is deleted."""

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS known (
    place TEXT, cut INTEGER, identity TEXT, md5s TEXT, noted INTEGER, PRIMARY KEY (place, cut)
) WITHOUT ROWID
"""

CacheKey = tuple[str, int]
"""The location of a file, and the bytes of each part that has an MD5; 0 for the whole file in one part."""

CacheEntry = tuple[str, str]
"""The fingerprint of a file, and the MD5s of its parts, separated by spaces."""


def default_path() -> Path:
    """Return the path of the cache file in the user's cache directory, by the XDG convention."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-dlaas" / "md5.sqlite3"


class ChecksumCache:
    """
    The MD5s of files in one SQLite file. Any number of threads and processes may use it at the same time.

    :param path: the SQLite file; it is created with its folders if missing. None keeps the entries in this object only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._prefetched: dict[CacheKey, CacheEntry] = {}
        self._pending: dict[CacheKey, CacheEntry] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.save()

    def prefetch(self, files: Iterable[SourceFile]) -> None:
        """Look up all *files* with a few statements; `get_md5s` does not read the SQLite file itself."""
        locations = [file.location for file in files]
        found: dict[CacheKey, CacheEntry] = {}

        def look_up(database: sqlite3.Connection) -> None:
            for start in range(0, len(locations), QUERY_BATCH_SIZE):
                batch = locations[start : start + QUERY_BATCH_SIZE]
                marks = ",".join("?" * len(batch))
                rows = database.execute(
                    f"SELECT place, cut, identity, md5s FROM known WHERE place IN ({marks})",  # noqa: S608
                    batch,
                )
                found.update({(location, size): (fingerprint, md5s) for location, size, fingerprint, md5s in rows})

        self._run_on_database(look_up)
        with self._lock:
            self._prefetched.update(found)

    def get_md5s(self, file: SourceFile, segment_size: int) -> Sequence[str] | None:
        """Return the MD5s of the parts of *file*; None unless they were set for a file of the same fingerprint."""
        key = (file.location, segment_size)
        fingerprint, md5s = self._pending.get(key) or self._prefetched.get(key) or ("", "")
        return md5s.split() if file.fingerprint and fingerprint == file.fingerprint else None

    def set_md5s(self, file: SourceFile, segment_size: int, md5s: Sequence[str]) -> None:
        """Store the MD5s of *file*, unless its fingerprint might not show a change that follows now."""
        if file.has_stable_fingerprint and (fingerprint := file.fingerprint):
            self._pending[file.location, segment_size] = (fingerprint, " ".join(md5s))

    def save(self) -> None:
        """Write the new entries to the SQLite file, and delete old ones."""
        with self._lock:
            entries, self._pending = self._pending, {}
            self._prefetched.update(entries)
        if not entries:
            return
        now = int(time.time())
        rows = [(location, size, fingerprint, md5s, now) for (location, size), (fingerprint, md5s) in entries.items()]

        def write(database: sqlite3.Connection) -> None:
            with database:
                database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?, ?)", rows)
                database.execute("DELETE FROM known WHERE noted < ?", [now - MAX_AGE])

        self._run_on_database(write)

    def _run_on_database(self, action: Callable[[sqlite3.Connection], None]) -> None:
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(self._path, timeout=LOCK_TIMEOUT)) as database:
                database.execute("PRAGMA synchronous = OFF")  # a crash may lose it; then files are read once more
                database.execute(_CREATE_TABLE)
                action(database)
        except sqlite3.Error as error:
            # NOTADB and CORRUPT raise the base class itself; an error has its code from Python 3.11 on only.
            if type(error) is sqlite3.DatabaseError:
                logger.warning("The checksum cache %s is damaged (%s); it is deleted and made anew", self._path, error)
                with contextlib.suppress(OSError):
                    self._path.unlink()
            else:
                self._log_unusable(error)
        except OSError as error:  # for example a home directory that cannot be written
            self._log_unusable(error)

    def _log_unusable(self, error: Exception) -> None:
        logger.info("The checksum cache %s cannot be used (%s); files are hashed again", self._path, error)
