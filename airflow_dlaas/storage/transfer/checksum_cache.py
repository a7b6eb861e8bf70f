"""
What is known of files already: their MD5s, so that nobody reads again what did not change.

An aid, never a condition: where it cannot be read or written, files are hashed as if there were none.
"""

from __future__ import annotations

import contextlib
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

QUERY_BATCH_SIZE = 400
"""Files asked for in one statement: SQLite takes 999 values in its oldest builds."""

LOCK_TIMEOUT = 2.0
"""Seconds to wait for another process that is writing; then do without."""

MAX_AGE = 180 * 24 * 3600
"""Seconds until what was noted is forgotten."""

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS known (
    place TEXT, cut INTEGER, identity TEXT, md5s TEXT, noted INTEGER, PRIMARY KEY (place, cut)
) WITHOUT ROWID
"""

CacheKey = tuple[str, int]
"""The place of a file, and the size of the stretches it was hashed by; 0 for the whole."""


def default_path() -> Path:
    """Where a user's caches lie, by the XDG convention."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-dlaas" / "md5.sqlite3"


class ChecksumCache:
    """
    A table of files in one SQLite file; for any number of threads and processes.

    :param path: that file, made with its folders if missing. None remembers for as long as this object lives.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._prefetched: dict[CacheKey, tuple[str, str]] = {}
        self._pending: dict[CacheKey, tuple[str, str]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.save()

    def prefetch(self, files: Iterable[SourceFile]) -> None:
        """Look up *files* all at once, so that `get_md5s` need not ask for each."""
        places = [origin.location for origin in files]
        found: dict[CacheKey, tuple[str, str]] = {}

        def look_up(database: sqlite3.Connection) -> None:
            for start in range(0, len(places), QUERY_BATCH_SIZE):
                some = places[start : start + QUERY_BATCH_SIZE]
                marks = ",".join("?" * len(some))
                rows = database.execute(f"SELECT place, cut, identity, md5s FROM known WHERE place IN ({marks})", some)  # noqa: S608
                found.update({(place, cut): (identity, md5s) for place, cut, identity, md5s in rows})

        self._run_on_database(look_up)
        with self._lock:
            self._prefetched.update(found)

    def get_md5s(self, file: SourceFile, segment_size: int) -> Sequence[str] | None:
        """The MD5s of *file*'s stretches, if they were noted of the very file that is there now."""
        key = (file.location, segment_size)
        identity, md5s = self._pending.get(key) or self._prefetched.get(key) or ("", "")
        return md5s.split() if file.fingerprint and identity == file.fingerprint else None

    def set_md5s(self, file: SourceFile, segment_size: int, md5s: Sequence[str]) -> None:
        """Remember the MD5s of *file*; not of one whose change might have gone unseen."""
        if file.has_stable_fingerprint and (identity := file.fingerprint):
            self._pending[file.location, segment_size] = (identity, " ".join(md5s))

    def save(self) -> None:
        """Write what was noted."""
        with self._lock:
            notes, self._pending = self._pending, {}
            self._prefetched.update(notes)
        if not notes:
            return
        now = int(time.time())
        rows = [(place, cut, identity, md5s, now) for (place, cut), (identity, md5s) in notes.items()]

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
                database.execute("PRAGMA synchronous = OFF")  # losing it in a crash costs reading files once more
                database.execute(_CREATE_TABLE)
                action(database)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorname", "") in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
                with contextlib.suppress(OSError):
                    self._path.unlink()
        except OSError:
            return  # a home that cannot be written: every file is hashed
