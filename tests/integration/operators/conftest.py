"""Steps run as a task runs them, against real servers, with Airflow's connections in the environment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.storage.swift import SwiftStore


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def store(swift: StoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[SwiftStore]:
    """The object store behind the connection ``swift_default``."""
    known = {
        "conn_type": "swift",
        "host": swift.auth_url,
        "login": swift.user_id,
        "password": swift.password.get_secret_value(),
    }
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(known))
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def container() -> str:
    """A name that no other test uses; there is no container of that name yet."""
    return f"data-{uuid4().hex[:8]}"
