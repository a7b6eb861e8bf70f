"""A database that the previous version wrote, with trainings in flight, as text: what it has is still read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.service.store.maintenance import MaintenanceState
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from tests.conformance.store.conftest import SECRET, later

RECORDED = Path(__file__).parents[2] / "cases" / "databases" / "0004.sql"
"""Schema 0004: an experiment, and a training each that has ended, runs and waits. The token key is 32 times ``k``."""


def test_trainings_in_flight_of_a_recorded_database_are_read_and_can_go_on(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(RECORDED.read_text())
    store = SqlStore(f"sqlite:///{path}", key=derive_key(b"k" * 32))
    ended, running, queued = (store.get_training("me", one) for one in ("ended", "running", "queued"))
    assert (ended.state, ended.exit_code, ended.stored) == (TrainingState.COMPLETED, 0, True)
    assert (ended.note, ended.tags, ended.isolation) == ("good", ("a", "b"), "bubblewrap")
    assert (running.state, running.phase, running.handle) == (TrainingState.RUNNING, Phase.PROCESSING, "h2")
    assert (queued.state, queued.started_at) == (TrainingState.PENDING, None)
    connection_of_data = store.get_definition_with_secrets("queued").training_data[0].connection
    assert connection_of_data.password.get_secret_value() == SECRET
    assert store.get_version("me", "e", "e-1").digest == "0" * 64
    assert store.maintenance.get() == MaintenanceState()
    assert not store.reserve_gpus("queued", ["virtual:0"], later(20))  # the running training still holds it
    assert store.reserve_gpus("queued", ["virtual:1"], later(20))
    assert all(one.unreadable_columns is None for one in store.list_unfinished())
    store.close()
