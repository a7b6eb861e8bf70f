"""Where the secrets of a training are stored while it needs them, and that they are erased afterwards."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.learner.claim import claim, read_spec
from airflow_dlaas.service.store import migrations
from airflow_dlaas.service.store.base import DecryptionError
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from tests.conformance.store.conftest import NOW, SECRET, a_definition, a_training, add, later

KEY = derive_key(bytes(range(32)))
ENDED = TrainingOutcome(TrainingState.ERROR, later(1), isolation="bubblewrap")

ENCODINGS = [
    SECRET.encode(),
    *(base64.b64encode(b" " * shift + SECRET.encode())[4:-4] for shift in range(3)),
    SECRET.encode().hex().encode(),
]
"""The secret in plain text (as in JSON), in base64 at any offset of a longer text, and in hexadecimal."""


def find_secrets(content: bytes) -> list[bytes]:
    return [one for one in ENCODINGS if one in content]


def read_all_files(folder: Path) -> bytes:
    return b"\n".join(one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file())


@pytest.fixture
def encrypted_store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url, key=KEY)
    yield store
    store.close()


def dump(url: str) -> bytes:
    """Return what the database's own tool writes for a backup."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return "\n".join(connection.iterdump()).encode()
    parsed_url = make_url(url)
    schema = str(parsed_url.query["options"]).removeprefix("-csearch_path=")
    rest = {
        name: value for name, value in parsed_url.query.items() if name != "options"
    }  # such as the directory of a socket
    line = [
        "pg_dump",
        f"--schema={schema}",
        parsed_url.set(drivername="postgresql", query=rest).render_as_string(False),
    ]
    return subprocess.run(line, check=True, capture_output=True, timeout=60).stdout


def test_dump_of_the_database_contains_no_secret(url: str, encrypted_store: SqlStore) -> None:
    add(encrypted_store, "a")
    found = dump(url)
    assert b"my-first" in found or b"softlayer_objectstore" in found  # the dump contains the training
    assert find_secrets(found) == []
    assert encrypted_store.get_definition_with_secrets("a") == a_definition()


def test_same_secret_is_encrypted_differently_each_time(url: str, encrypted_store: SqlStore) -> None:
    add(encrypted_store, "a", "b")
    with encrypted_store._database.read_transaction() as connection:
        stored = connection.execute(text("SELECT secrets FROM trainings")).scalars().all()
    assert len(set(stored)) == 2


def test_plain_text_of_an_older_version_can_be_read(url: str) -> None:
    older = SqlStore(url)
    add(older, "a")
    older.close()
    newer = SqlStore(url, key=KEY)
    assert newer.get_definition_with_secrets("a") == a_definition()
    newer.close()


@pytest.mark.parametrize("key", [derive_key(b"another"), None])
def test_another_key_raises_decryption_error_with_advice(url: str, key: bytes | None) -> None:
    first = SqlStore(url, key=KEY)
    add(first, "a")
    first.close()
    second = SqlStore(url, key=key)
    with pytest.raises(DecryptionError, match="Submit the training again") as error:
        second.get_definition_with_secrets("a")
    assert isinstance(error.value, DlaasError)
    assert error.value.__suppress_context__ or error.value.__context__ is None
    second.finish("a", ENDED)  # the training can still be finished
    second.close()


def test_derived_key_differs_from_the_token_key() -> None:
    assert derive_key(b"a") != derive_key(b"b")
    assert len(base64.urlsafe_b64decode(KEY)) == 32
    assert base64.urlsafe_b64decode(KEY) != bytes(range(32))


END: dict[str, Callable[[SqlStore], object]] = {
    "an end": lambda store: store.finish("a", ENDED),
    "a cancel while it waits": lambda store: store.request_cancel("me", "a", later(1)),
}


@pytest.mark.parametrize("end", END.values(), ids=END.keys())
@pytest.mark.parametrize("size", [1, 50_000])
def test_files_of_sqlite_contain_no_secret_after_the_end(tmp_path: Path, end, size: int) -> None:
    """Without encryption, so that the text to search for is known. The store stays open: closing it would clean up."""
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    definition = a_definition(SECRET * size)
    store.create_training(a_training("a"), definition, key=None, request_digest="d")
    add(store, "b")
    store.finish("b", ENDED)
    assert find_secrets(read_all_files(tmp_path))
    end(store)
    assert store.get_training("me", "a").state.is_final
    assert find_secrets(read_all_files(tmp_path)) == []
    store.close()


def test_blocking_reader_delays_the_erasure_to_the_next_end(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    add(store, "a", "b")
    with store._database.read_transaction() as connection:
        connection.execute(text("SELECT secrets FROM trainings")).all()
        store.finish("a", ENDED)
    assert store.get_training("me", "a").state.is_final
    store.finish("b", ENDED)
    assert find_secrets(read_all_files(tmp_path)) == []
    store.close()


def test_secrets_in_the_write_ahead_log_are_erased_at_the_next_start(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    add(store, "a")
    store._database.truncate_wal = lambda: None  # type: ignore[method-assign]
    store.finish("a", ENDED)
    for name in ("store.db", "store.db-wal"):
        (tmp_path / "crashed").mkdir(exist_ok=True)
        (tmp_path / "crashed" / name).write_bytes((tmp_path / name).read_bytes())
    assert find_secrets(read_all_files(tmp_path / "crashed"))
    after = SqlStore(f"sqlite:///{tmp_path / 'crashed/store.db'}")
    assert find_secrets(read_all_files(tmp_path / "crashed")) == []
    after.close()
    store.close()


def test_secrets_are_in_plain_text_only_in_the_job_directory(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = SqlStore(url, key=KEY)
    add(store, "a")
    assert find_secrets(read_all_files(tmp_path)) == []
    jobs = tmp_path / "jobs"
    job_directories = JobDirectories(
        jobs_dir=jobs,
        environments_dir=tmp_path / "environments",
        code_path=lambda digest: tmp_path / digest,
        runtime_spec=lambda key: RuntimeSpec(key=key, kind="venv", provides="x"),
    )
    before = os.umask(0)  # the least safe umask of a service
    try:
        job = job_directories.prepare_job(
            replace(a_training("a"), gpus=("0",), started_at=NOW), store.get_definition_with_secrets("a")
        )
    finally:
        os.umask(before)
    assert [one.name for one in jobs.rglob("*") if one.is_file() and find_secrets(one.read_bytes())] == ["secrets.json"]
    assert (job.path.stat().st_mode & 0o777, job.secrets.stat().st_mode & 0o777) == (0o700, 0o600)
    assert claim(job)
    _, definition = read_spec(job)
    assert definition.model_dump(context=REVEAL_SECRETS) == a_definition().model_dump(context=REVEAL_SECRETS)
    assert find_secrets(read_all_files(tmp_path)) == []
    store.finish("a", ENDED)
    assert find_secrets(read_all_files(tmp_path)) == []
    store.close()


def test_leftovers_of_interrupted_writes_of_secrets_are_erased(tmp_path: Path) -> None:
    from airflow_dlaas.service.job_files import JobDirectory

    job = JobDirectory(tmp_path)
    for name in ("secrets.json", ".secrets.json.17", ".secrets.json.4711", "spec.json"):
        (tmp_path / name).write_text(json.dumps({"password": SECRET}))
    job.erase_secrets()
    assert [one.name for one in tmp_path.iterdir()] == ["spec.json"]
    job.erase_secrets()


def test_first_schema_is_upgraded_with_its_trainings(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text(
                "INSERT INTO trainings (id, owner, definition, secrets, request_digest, code, slots, runtime, "
                "provides, state, submitted_at, modified_at, gpus, cancel_requested, stored, revision) "
                "VALUES ('a', 'me', '{}', '{}', 'd', 'c', 1, 'r', 'p', 'pending', :now, :now, '[]', false, false, 1)"
            ),
            {"now": NOW.isoformat(sep=" ") if url.startswith("sqlite") else NOW},
        )
    engine.dispose()
    store = SqlStore(url, key=KEY)
    assert store.get_training("me", "a").isolation is None
    store.finish("a", ENDED)
    assert store.get_training("me", "a").isolation == "bubblewrap"
    store.close()
