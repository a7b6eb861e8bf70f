"""Opening, sharing, upgrading and losing a database."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.store import migrations
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.tables import SCHEMA_VERSION, metadata
from tests.conformance.store.conftest import NOW, SECRET, a_training, add, later

WRITER = """
import sys
from tests.conformance.store.conftest import add
from airflow_dlaas.service.store.sql import SqlStore
store = SqlStore(sys.argv[1])
add(store, *(f"{sys.argv[2]}-{number}" for number in range(10)))
store.close()
"""


def test_migrations_create_the_tables_of_the_model(url: str) -> None:
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_upgrade_from_the_previous_version_keeps_trainings(url: str) -> None:
    """
    A database of revision 0002 is upgraded; its completed trainings count as not acknowledged, and have no note and no
    tags.
    """
    store = SqlStore(url)
    add(store, "a")
    store.finish("a", TrainingOutcome(TrainingState.COMPLETED, later(1), exit_code=0))
    store.close()
    engine = create_engine(url)
    with engine.begin() as connection:
        later_columns = ("attempt", "ended_attempts", "checkpoint_sources", "data_report")
        for column in ("acknowledged_at", "note", "tags", *later_columns):
            connection.execute(text(f"ALTER TABLE trainings DROP COLUMN {column}"))
        connection.execute(text("DROP TABLE usage"))
        connection.execute(text("DROP TABLE maintenance"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    engine.dispose()
    upgraded = SqlStore(url)
    training = upgraded.get_training("me", "a")
    assert (training.acknowledged_at, training.note, training.tags) == (None, "", ())
    assert (training.attempt, training.ended_attempts, training.checkpoint_sources) == (1, (), ())
    assert training.data_report is None
    assert upgraded.acknowledge("me", "a", later(2)).acknowledged_at == later(2)
    upgraded.close()


def test_schema_version_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_migration_does_not_change_the_logging(url: str) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("airflow_dlaas").disabled)
    SqlStore(url).close()
    assert (root.level, list(root.handlers), logging.getLogger("airflow_dlaas").disabled) == before


def test_record_survives_a_restart(url: str) -> None:
    first = SqlStore(url)
    add(first, "a")
    kept = first.get_training("me", "a")
    first.close()
    second = SqlStore(url)
    assert second.get_training("me", "a") == kept
    second.close()


def test_concurrent_processes_open_one_database(url: str) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, url, str(number)], cwd=Path(__file__).parents[3])
        for number in range(2)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    store = SqlStore(url)
    assert len(store.list_unfinished()) == store.current_revision() == 20
    store.close()


def test_database_of_a_newer_version_is_refused(url: str) -> None:
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'newer'"))
    engine.dispose()
    with pytest.raises(HostError, match="another version of airflow-dlaas"):
        SqlStore(url)


def test_sqlite_is_durable_and_overwrites_deleted_data(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = SqlStore(f"sqlite:///{path}")
    with store._database.read_transaction() as connection:
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]
    add(store, "a")
    assert SECRET.encode() in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    store.finish("a", TrainingOutcome(a_training("a").state.ERROR, later(1)))
    store.close()
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("url", ["", "no url", "sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_unsupported_url_is_refused(url: str) -> None:
    with pytest.raises(NotConfigured):
        SqlStore(url)


def test_database_failure_is_a_host_error_without_secrets(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("DROP TABLE trainings")
    other.close()
    with pytest.raises(HostError) as error:
        add(store, "a")
    assert SECRET not in f"{error.value} {error.value.__cause__}"
    store.close()


def test_missing_directory_is_a_host_error(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        SqlStore(f"sqlite:///{tmp_path / 'missing' / 'store.db'}")


def test_failed_write_changes_nothing(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    add(store, "a")
    with pytest.raises(HostError):
        add(store, "a")  # the same id again
    assert store.current_revision() == 1
    assert store.get_training("me", "a").submitted_at == NOW
    store.close()
