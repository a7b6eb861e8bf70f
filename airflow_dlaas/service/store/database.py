"""The database of the store: opening, upgrades, and transactions."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.store.tables import SCHEMA_VERSION, counter

log = logging.getLogger(__name__)

WAL_TRUNCATE_TIMEOUT = 1.0
"""Seconds that the truncation of the write-ahead log waits for readers; they take milliseconds."""

BUSY_TIMEOUT = 30.0
"""Seconds that a writer waits for a transaction of another process; transactions take milliseconds."""

MIGRATION_LOCK_ID = 0x646C6161
"""The number of PostgreSQL's advisory lock for upgrades; no other program may use it in this database."""


class Database:
    """
    SQLite in a file, or PostgreSQL, by URL. Thread-safe.

    There is one writer at a time: each writer locks the only row of the counter, so that a later commit has a higher
    revision. Readers do not wait.

    :raises NotConfigured: the URL names no supported database.
    :raises HostError: the database cannot be opened, or was written by a newer version of this package.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse_url(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        # Threads of one process wait here in order; with SQLite alone, waiting writers poll.
        self._write_lock = threading.Lock() if self._is_sqlite else nullcontext()
        options: dict[str, Any] = (
            {"connect_args": {"timeout": BUSY_TIMEOUT}} if self._is_sqlite else {"pool_pre_ping": True}
        )
        # Parameters contain secrets: no error message and no log may show them.
        self._engine = create_engine(self._url, hide_parameters=True, max_overflow=-1, **options)
        if self._is_sqlite:
            _configure_sqlite(self._engine)
        try:
            with _translate_errors(self._url):
                self._upgrade()
            self.truncate_wal()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def read_transaction(self) -> Iterator[Connection]:
        """Yield a connection for reading committed data; each statement sees one consistent state."""
        with _translate_errors(self._url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write_transaction(self) -> Iterator[Connection]:
        """
        Yield a connection for writing; commit at the end of the block, atomically and durably. One writer at a time.
        """
        with _translate_errors(self._url), self._write_lock, self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                connection.execute(select(counter.c.revision).with_for_update())
                yield connection

    def truncate_wal(self) -> None:
        """
        Truncate SQLite's write-ahead log: until then, it contains pages as they were before a change.

        If a reader blocks this, the next call or the next start does it. For PostgreSQL this does nothing.
        """
        if not self._is_sqlite:
            return
        try:
            # A connection of its own: the timeout for readers differs from the one for writers.
            with (
                self._write_lock,
                closing(sqlite3.connect(str(self._url.database), timeout=WAL_TRUNCATE_TIMEOUT)) as connection,
            ):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # The change itself is committed, so its caller gets no error.
            log.warning(
                "Truncating the write-ahead log of %s failed (%s); the next write or the next start retries it",
                _format_url(self._url),
                error,
            )

    def _upgrade(self) -> None:
        with self._migration_lock(), self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                if not self._is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK_ID})
                if _schema_version(connection) != SCHEMA_VERSION:
                    _run_migrations(connection, self._url)

    @contextmanager
    def _migration_lock(self) -> Iterator[None]:
        """Exclude other processes while SQLite switches to WAL, which its own busy timeout does not cover."""
        if not self._is_sqlite:
            yield
            return
        with file_lock(Path(f"{self._url.database}.lock"), mode=0o644):
            yield


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise NotConfigured(
            "The database URL is invalid; use sqlite:////absolute/path or postgresql+psycopg://…"
        ) from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed
        case "sqlite":
            raise NotConfigured(
                "The database must be a file (sqlite:////absolute/path): a database in memory is not durable"
            )
        case "postgresql":
            return parsed
        case other:
            raise NotConfigured(f"The database must be sqlite or postgresql, not {other}")


def _configure_sqlite(engine: Engine) -> None:
    """Disable the transactions of the driver: it begins them late, and never as IMMEDIATE."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        # Invalid UTF-8 is replaced: an error would end the query for all other rows.
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # with WAL, the default survives a crash of the process, but not a power loss
            "foreign_keys=ON",
            "secure_delete=ON",  # deleted data (secrets) is overwritten, not just unlinked
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A reader that becomes a writer fails if another one wrote meanwhile, so writers begin as IMMEDIATE.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run_migrations(connection: Connection, url: URL) -> None:
    # Imported here: the import takes longer than opening a database that is up to date.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise HostError(
            f"The database {_format_url(url)} was written by another version of airflow-dlaas: {error}. "
            "Install that version, or give the service another database"
        ) from error


@contextmanager
def _translate_errors(url: URL) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise HostError(f"The database {_format_url(url)} failed ({type(error).__name__})") from error
    except OSError as error:
        raise HostError(f"The database {_format_url(url)} cannot be opened: {error.strerror}") from error


def _format_url(url: URL) -> str:
    return url.render_as_string(hide_password=True)
