"""A PostgreSQL for the tests: the one that TEST_POSTGRES_URL names, or one of this process's own, on a socket."""

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
"""URL of a PostgreSQL where schemas may be made, postgresql+psycopg://…; each test makes and drops its own."""

ABSENT = f"PostgreSQL is not installed: install it (apt-get install postgresql), or set {VARIABLE}"

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu install the server's programs, by release; they are not on PATH there."""

START = 60.0
"""Seconds a new server may take for its first answer; it needs less than one."""

SETTINGS = {
    "listen_addresses": "",  # the socket only: no port can be taken
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",  # an Airflow takes up to fifteen with each of its processes
}


@contextmanager
def server() -> Iterator[str | None]:
    """
    The URL of a server; None where no PostgreSQL is installed.

    A server of our own is started for the duration, and ends with this process whatever ends that.
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
    """The folder of PostgreSQL's programs: the newest release's; None where there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    releases = [one.parent for one in DEBIAN.glob("*/bin/initdb")]
    return max(releases, key=lambda one: float(one.parent.name), default=None)


@contextmanager
def schema(server_url: str) -> Iterator[str]:
    """The URL of a new, empty schema on the server, which is dropped afterwards."""
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
    The environment that gives an Airflow a schema of its own on the server; an empty one, and so SQLite, without it.

    Airflow on SQLite answers 500 to requests while another of its components writes.
    """
    if server_url is None:
        yield {}
        return
    with schema(server_url) as url:
        # psycopg serves both: left to itself, Airflow asks for asyncpg.
        yield {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url}


@contextmanager
def _running(programs: Path, folder: Path) -> Iterator[str]:
    """A new server with its data and its socket in *folder*, which no other user can enter."""
    owner = _unprivileged(folder)
    initdb = [programs / "initdb", "--auth=trust", "--username=postgres", "--no-sync", "-D", folder / "data"]
    made = subprocess.run(
        [*owner, *initdb, "--no-locale", "--encoding=UTF8"],  # whatever the locale of the machine
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [*owner, programs / "postgres", "-D", folder / "data", "-k", folder, *settings]
    url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
    with ProcessGuard(command, log=folder / "log", cwd=Path("/"), grace_period=2.0) as leash:
        _wait_for(url, leash)
        yield url


def _unprivileged(folder: Path) -> list[str]:
    """What to put before a command so that it runs as the owner of *folder*: PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    names = {one.pw_name for one in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait_for(url: str, leash: ProcessGuard) -> None:
    deadline = time.monotonic() + START
    engine = create_engine(url)
    while True:
        try:
            with engine.connect():
                break
        except OperationalError:
            assert leash.poll() is None, leash.tail()
            assert time.monotonic() < deadline, leash.tail()
            time.sleep(0.1)
    engine.dispose()
