"""A PostgreSQL for the tests: that of TEST_POSTGRES_URL, or a new one on a Unix socket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from airflow_dlaas.demo.process_guard import ProcessGuard

VARIABLE = "TEST_POSTGRES_URL"
"""URL of a PostgreSQL that permits new schemas, postgresql+psycopg://…; each test creates and drops its own."""

ABSENT = f"PostgreSQL is not installed: install it (apt-get install postgresql), or set {VARIABLE}"

DEBIAN = Path("/usr/lib/postgresql")
"""The folder of the server's programs on Debian and Ubuntu, by release; they are not on PATH there."""

START = 60.0
"""The most seconds for the first response of a new server; it needs less than one."""

UNPRIVILEGED_UID = 65534
"""The account without rights that each Linux distribution has; PostgreSQL runs as it if its own account is missing."""

SETTINGS = {
    "listen_addresses": "",  # the socket only: a port may be in use
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",  # each process of an Airflow uses up to fifteen
}


@contextmanager
def server() -> Iterator[str | None]:
    """
    Yield the URL of a server; None if PostgreSQL is not installed.

    A new server runs for the duration of the block, and ends with this process, also after a SIGKILL.
    """
    if url := os.environ.get(VARIABLE):
        yield url
        return
    programs = installed()
    if programs is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="dlaas-postgresql-"))
    try:
        with _running(programs, folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def installed() -> Path | None:
    """Return the folder of PostgreSQL's programs, of the newest release; None if there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    releases = [one.parent for one in DEBIAN.glob("*/bin/initdb")]
    return max(releases, key=lambda one: float(one.parent.name), default=None)


@contextmanager
def schema(server_url: str) -> Iterator[str]:
    """Yield the URL of a new, empty schema on the server; drop it after the block."""
    name = f"dlaas_{uuid.uuid4().hex}"
    engine = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    yield make_url(server_url).update_query_dict({"options": f"-csearch_path={name}"}).render_as_string(False)
    with engine.connect() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()


@contextmanager
def airflow_database(server_url: str | None) -> Iterator[dict[str, str]]:
    """
    Yield the environment variables for an Airflow with its own schema on the server; none, and so SQLite, without it.

    Airflow on SQLite responds with 500 to requests while another of its components writes.
    """
    if server_url is None:
        yield {}
        return
    with schema(server_url) as url:
        # psycopg supports both; by default, Airflow uses asyncpg for the second one.
        yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url}


@contextmanager
def _running(programs: Path, folder: Path) -> Iterator[str]:
    """Yield the URL of a new server with its data and its socket in *folder*, which other users cannot access."""
    owner = _unprivileged(folder)
    initdb = [programs / "initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", folder / "data"]
    made = subprocess.run(
        [*owner, *initdb, "--no-locale", "--encoding=UTF8"],  # independent of the locale of the machine
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [*owner, programs / "postgres", "-D", folder / "data", "-k", folder, *settings]
    url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    with ProcessGuard(command, log=folder / "log", cwd=Path("/"), grace_period=2.0) as process:
        _wait_for(url, process)
        yield url


def _unprivileged(folder: Path) -> list[str]:
    """Give *folder* to another user; return the prefix for commands of that user. PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    names = {one.pw_name for one in pwd.getpwall()}
    user = pwd.getpwnam("postgres") if "postgres" in names else pwd.getpwuid(UNPRIVILEGED_UID)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait_for(url: str, process: ProcessGuard) -> None:
    deadline = time.monotonic() + START
    engine = create_engine(url)
    while True:
        try:
            with engine.connect():
                break
        except OperationalError:
            assert process.poll() is None, process.tail()
            assert time.monotonic() < deadline, process.tail()
            time.sleep(0.1)
    engine.dispose()
