"""A database behind the store: how it is opened, brought up to date, read and written."""

from __future__ import annotations

import fcntl
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

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.store.tables import SCHEMA_VERSION, counter

log = logging.getLogger(__name__)

WAL_TRUNCATE_TIMEOUT = 1.0
"""Seconds that the erasing of what was deleted waits for readers; they take milliseconds."""

BUSY_TIMEOUT = 30.0
"""Seconds a writer waits for another process's turn to end; turns take milliseconds."""

MIGRATION_LOCK_ID = 0x646C6161
"""PostgreSQL's advisory lock for upgrades; any number, as long as nobody else's."""


class Database:
    """
    SQLite by a file, or PostgreSQL, by URL. Thread-safe.

    One writer at a time, on either: writers take turns for the database's only counter row, so that what is
    committed later has the higher revision. Readers wait for nobody.

    :raises NotConfigured: the URL names no database that can be used here.
    :raises HostError: the database cannot be opened, or was written by a newer version of this package.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse_url(url)
        self._is_sqlite = self._url.get_backend_name() == "sqlite"
        # Threads of one process queue here in order; SQLite itself lets waiting writers poll.
        self._write_lock = threading.Lock() if self._is_sqlite else nullcontext()
        options: dict[str, Any] = (
            {"connect_args": {"timeout": BUSY_TIMEOUT}} if self._is_sqlite else {"pool_pre_ping": True}
        )
        # Parameters hold secrets: no error message and no log may show them.
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
        """Look at what was committed; each statement sees one state of it."""
        with _translate_errors(self._url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write_transaction(self) -> Iterator[Connection]:
        """Change things: all or nothing, durable on leaving, one writer at a time."""
        with _translate_errors(self._url), self._write_lock, self._engine.connect() as connection:
            connection.execution_options(writes=True)
            with connection.begin():
                connection.execute(select(counter.c.revision).with_for_update())
                yield connection

    def truncate_wal(self) -> None:
        """
        Let SQLite's write-ahead log go: pages as they were before a change lie in it until somebody does.

        Where a reader holds it, the next call does it, or the next start. PostgreSQL's own is its operator's concern.
        """
        if not self._is_sqlite:
            return
        try:
            # A connection of its own, since waiting for readers has another limit than waiting for writers.
            with (
                self._write_lock,
                closing(sqlite3.connect(str(self._url.database), timeout=WAL_TRUNCATE_TIMEOUT)) as connection,
            ):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # What was to be recorded is. Whoever recorded it has nothing to do about this.
            log.warning("The write-ahead log of %s could not be emptied: %s", _format_url(self._url), error)

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
        """Keep other processes out while SQLite is switched to WAL, which its own busy timeout does not cover."""
        if not self._is_sqlite:
            yield
            return
        with Path(f"{self._url.database}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise NotConfigured(
            "The database URL is none; use sqlite:////absolute/path or postgresql+psycopg://…"
        ) from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed
        case "sqlite":
            raise NotConfigured(
                "The database must be a file (sqlite:////absolute/path): what is in memory is not durable"
            )
        case "postgresql":
            return parsed
        case other:
            raise NotConfigured(f"The database may be sqlite or postgresql, not {other}")


def _configure_sqlite(engine: Engine) -> None:
    """Take transactions out of the driver's hands: it would begin them late, and never as IMMEDIATE."""

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        # Text that is not UTF-8 is shown as far as it is: an error would end the query for all other rows.
        connection.text_factory = lambda content: content.decode("utf-8", "replace")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # with WAL the default survives a crash of ours, but not a loss of power
            "foreign_keys=ON",
            "secure_delete=ON",  # what is erased (secrets) is overwritten, not just unlinked
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A reader that turns writer fails at once when another wrote meanwhile: writers say so from the start.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _schema_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _run_migrations(connection: Connection, url: URL) -> None:
    # Imported here: it costs more than opening a database that is up to date.
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
            "Install that version, or give the service a database of its own"
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
