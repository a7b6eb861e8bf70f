"""A complete API in this process, created once for all fuzz tests."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from airflow_dlaas.service.api.app import create_api
from airflow_dlaas.service.api.dependencies import ApiLimits
from airflow_dlaas.service.store.sql import SqlStore
from tests.unit.service.api.conftest import Service, create_deps


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An API with the user ``dlaas``, with a real store and real blobs in its own folder."""
    folder = tmp_path_factory.mktemp("fuzz")
    SqlStore(f"sqlite:///{folder / 'empty.db'}").close()
    home = folder / "home"
    home.mkdir()
    deps = replace(create_deps(home, folder / "empty.db"), limits=ApiLimits(zip_bytes=200_000, containers=4))
    with TestClient(create_api(deps), base_url="http://dlaas.example:8480", raise_server_exceptions=False) as client:
        service = Service(client, deps, deps.store, deps.clock, deps.check_container, deps.wake_dispatcher.calls)
        client.headers["Authorization"] = f"Bearer {service.log_in()}"
        yield service
    deps.store.close()


def stored_state(api: Service) -> tuple[list[str], dict[str, int]]:
    """Return what the service stores: all files except those of the database, and the number of rows of each table."""
    home: Path = api.deps.jobs_dir.parent
    files = sorted(str(one.relative_to(home)) for one in home.rglob("*") if not one.name.startswith("store.db"))
    with contextlib.closing(sqlite3.connect(f"file:{home / 'store.db'}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        rows = {name: database.execute(f'select count(*) from "{name}"').fetchone()[0] for name in tables}  # noqa: S608
    return files, rows
