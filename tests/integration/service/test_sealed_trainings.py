"""Trainings whose secrets cannot be decrypted any more."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.store.secret_encryption import derive_key
from airflow_dlaas.service.store.sql import SqlStore
from tests.conformance.store.conftest import add


def test_training_with_secrets_of_another_key_ends_with_an_error(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    before = SqlStore(url, key=derive_key(b"the key before"))
    add(before, "training-a")
    before.close()
    store = SqlStore(url, key=derive_key(b"the key now"))
    workplace = JobDirectories(
        jobs_dir=tmp_path / "jobs",
        environments_dir=tmp_path / "environments",
        code_path=lambda digest: tmp_path / digest,
        runtime_spec=lambda key: RuntimeSpec(key=key, kind="venv", provides="x"),
    )
    dispatcher = Dispatcher(store, LocalRunner(), workplace, slots=("virtual:0",), lease_holder="one")
    dispatcher.run_once()
    ended = store.get_training("me", "training-a")
    assert ended.state is TrainingState.ERROR
    assert ended.error is not None
    assert ended.error.code == "S101"
    assert "encrypted with another key" in ended.error.message
    assert not dispatcher.run_once()  # there is no retry
    store.close()
