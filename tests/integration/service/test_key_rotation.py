"""Rotation of the keys of a stopped service, also of one that was interrupted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service import key_rotation
from airflow_dlaas.service.config.data_dir import Credentials, DataDir
from airflow_dlaas.service.key_rotation import finish_rotation, open_store, rotate_keys
from airflow_dlaas.service.store.base import DecryptionError
from airflow_dlaas.service.store.sql import SqlStore
from tests.conformance.store.conftest import a_definition, a_training, later


def prepare(home: Path, *ids: str) -> tuple[DataDir, str]:
    """Create a data directory whose queued trainings *ids* have the key of the embedded Swift."""
    data_dir = DataDir(home)
    data_dir.create()
    credentials = data_dir.load_or_create_credentials("dlaas", None)
    data_dir.save(credentials)
    url = f"sqlite:///{data_dir.database}"
    store = open_store(credentials, url)
    for one in ids:
        store.create_training(a_training(one), definition_with(credentials), key=one, request_digest="d")
    store.close()
    return data_dir, url


def definition_with(credentials: Credentials) -> TrainingDefinition:
    document = json.loads(a_definition().model_dump_json(exclude_unset=True))
    document["training_data"][0]["connection"]["password"] = credentials.swift_key
    return TrainingDefinition.parse(document)


def stored(data_dir: DataDir) -> Credentials:
    credentials = data_dir.read_credentials()
    assert credentials is not None
    return credentials


def read_password(store: SqlStore, training_id: str) -> str:
    definition = store.get_definition_with_secrets(training_id)
    password = definition.training_data[0].connection.password
    return password.get_secret_value()


def test_rotation_of_the_token_key_keeps_secrets_readable_with_the_new_key_only(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path, "a", "b")
    before = stored(data_dir)
    assert rotate_keys(data_dir, url, ["token"]).reencrypted == 2
    after = stored(data_dir)
    assert after.token_key != before.token_key
    assert (after.password, after.swift_key) == (before.password, before.swift_key)
    assert after.previous_token_key is None
    store = open_store(after, url)
    assert read_password(store, "a") == before.swift_key
    store.close()
    store = open_store(before, url)
    with pytest.raises(DecryptionError):
        store.get_definition_with_secrets("a")
    store.close()
    assert data_dir.credentials_file.stat().st_mode & 0o777 == 0o600


def test_rotation_of_the_swift_key_changes_it_in_queued_trainings_and_connections(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path, "a")
    before = stored(data_dir)
    rotate_keys(data_dir, url, ["swift", "password"])
    after = stored(data_dir)
    assert after.swift_key != before.swift_key
    assert after.password != before.password
    assert after.previous_swift_key is None
    store = open_store(after, url)
    assert read_password(store, "a") == after.swift_key
    store.close()
    assert json.loads(data_dir.connections_file.read_text())["dlaas_default"]["password"] == after.password


@pytest.mark.parametrize("steps", [0, 1])
def test_interrupted_rotation_is_readable_and_is_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """The process ends after credentials.json was written (0), and after the database was changed too (1)."""
    data_dir, url = prepare(tmp_path, "a")
    before = stored(data_dir)
    encrypt = key_rotation._reencrypt

    def interrupted(store: SqlStore, credentials: Credentials) -> int:
        if steps:
            encrypt(store, credentials)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(key_rotation, "_reencrypt", interrupted)
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(data_dir, url, ["token", "swift"])
    between = stored(data_dir)
    assert (between.previous_token_key, between.previous_swift_key) == (before.token_key, before.swift_key)
    store = open_store(between, url)
    assert read_password(store, "a") == (between.swift_key if steps else before.swift_key)
    finished = finish_rotation(store, between)
    store.close()
    assert (finished.previous_token_key, finished.previous_swift_key) == (None, None)
    store = open_store(finished, url)
    assert read_password(store, "a") == finished.swift_key
    store.close()
    # A second rotation, instead of a start of the service, does the rest of the first one too.
    rotate_keys(data_dir, url, ["token"])
    store = open_store(stored(data_dir), url)
    assert read_password(store, "a") == finished.swift_key
    store.close()


def test_secrets_of_a_lost_key_do_not_stop_the_rotation(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path, "a")
    lost = stored(data_dir)
    store = SqlStore(url, key=None)
    with store._database.write_transaction() as connection:
        connection.exec_driver_sql("UPDATE trainings SET secrets = 'fernet:damaged'")
    store.close()
    assert rotate_keys(data_dir, url, ["token"]).reencrypted == 0
    assert stored(data_dir).token_key != lost.token_key


def test_rotation_is_refused_while_the_service_runs(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path)
    before = stored(data_dir)
    with data_dir.lock(), pytest.raises(HostError, match="stop it"):
        rotate_keys(data_dir, url, ["token"])
    assert stored(data_dir) == before


def test_rotation_is_refused_while_another_service_uses_the_database(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path)
    before = stored(data_dir)
    store = open_store(before, url)
    now = key_rotation.utc_now()
    assert store.acquire_lease(key_rotation.LEASE_ROLE, "other", now, now + key_rotation.LEASE_DURATION)
    store.close()
    with pytest.raises(HostError, match="Another service uses the database"):
        rotate_keys(data_dir, url, ["token"])
    assert stored(data_dir) == before


def test_swift_key_is_not_rotated_while_a_training_runs(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path, "a")
    before = stored(data_dir)
    store = open_store(before, url)
    assert store.reserve_gpus("a", ["virtual:0"], later(1))
    store.close()
    with pytest.raises(HostError, match="drain"):
        rotate_keys(data_dir, url, ["token", "swift"])
    assert stored(data_dir) == before
    assert rotate_keys(data_dir, url, ["token"]).rotated == ("token",)


def test_swift_key_is_rotated_for_a_training_between_two_attempts(tmp_path: Path) -> None:
    data_dir, url = prepare(tmp_path, "a")
    store = open_store(stored(data_dir), url)
    store.reserve_gpus("a", ["virtual:0"], later(1))
    store.begin_next_attempt("a", AttemptReport(number=1, code="S100"), later(2))
    store.close()
    rotate_keys(data_dir, url, ["swift"])
    store = open_store(stored(data_dir), url)
    assert read_password(store, "a") == stored(data_dir).swift_key
    store.close()


def test_rotation_without_credentials_is_refused(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    with pytest.raises(NotConfigured, match="no credentials"):
        rotate_keys(data_dir, f"sqlite:///{data_dir.database}", ["token"])
    assert not data_dir.database.exists()
