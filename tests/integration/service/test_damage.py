"""Unreadable records and job files: the dispatcher continues with the other trainings."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError, NotFound
from airflow_dlaas.service.dispatcher.decide import LOST_AFTER
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.tables import trainings
from tests.integration.service.dispatcher_bench import Bench
from tests.unit.service.api.test_damage import FILES, VALUES, damaged_files


@pytest.fixture
def bench(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/database.sqlite")
    yield Bench(tmp_path, store)
    store.close()


COLUMNS = [column.name for column in trainings.c if column.name != "seq"]


def damage(bench: Bench, id: str, column: str, value: Any) -> bool:
    """Put *value* into a column of a training; return False if the database refuses it."""
    with closing(sqlite3.connect(str(bench.store._database._url.database))) as database:
        database.execute("PRAGMA busy_timeout = 10000")
        try:
            database.execute(f'update trainings set "{column}" = ? where id = ?', (value, id))  # noqa: S608
            database.commit()
        except sqlite3.IntegrityError:
            return False
    return True


def check_training_completes(bench: Bench, id: str) -> None:
    """Submit another training, and check that it is started, followed and finished."""
    bench.submit(id)
    bench.dispatcher.run_once()
    assert bench.training(id).gpus, "it was not started"
    bench.write_phase(id, Phase.PROCESSING)
    bench.dispatcher.run_once()
    assert bench.training(id).state is TrainingState.RUNNING
    bench.write_exit(id)
    bench.dispatcher.run_once()
    assert bench.training(id).state is TrainingState.COMPLETED


@pytest.mark.parametrize("started", [True, False], ids=["started", "waiting"])
@pytest.mark.parametrize("column", COLUMNS)
def test_unreadable_column_does_not_stop_other_trainings(bench, column: str, started: bool) -> None:
    for number, value in enumerate(VALUES[:: 1 if column in {"state", "gpus", "secrets", "definition"} else 3]):
        bad = bench.submit(f"training-bad{number}")
        if started:
            bench.dispatcher.run_once()
            bench.write_phase(bad, Phase.PROCESSING)
        if not damage(bench, bad, column, value):
            continue
        check_training_completes(bench, f"training-good{number}")
        with closing(sqlite3.connect(str(bench.store._database._url.database))) as database:
            database.execute("delete from trainings where state not in ('completed')")
            database.commit()


def test_running_training_in_an_unknown_state_is_finished(bench) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    damage(bench, one, "state", "paused")
    bench.dispatcher.run_once()
    assert bench.training(one).unreadable_columns == "state"
    bench.write_exit(one)
    bench.dispatcher.run_once()
    assert (bench.training(one).state, bench.training(one).unreadable_columns) == (TrainingState.COMPLETED, None)


def test_queued_training_in_an_unknown_state_is_not_started(bench) -> None:
    one = bench.submit("training-a")
    damage(bench, one, "state", "paused")
    check_training_completes(bench, "training-b")
    assert bench.runner.started == ["training-b"]


@pytest.mark.parametrize("secrets", [None, "", "x", "fernet:x", "{}", b"\xff"])
def test_training_with_unreadable_secrets_ends_with_an_error(bench, secrets: Any) -> None:
    one = bench.submit("training-a")
    damage(bench, one, "secrets", secrets)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.error.code) == (TrainingState.ERROR, "S101")
    assert "could not be started" in ended.error.message


@pytest.mark.parametrize(
    ("name", "liveness"),
    [(name, liveness) for name in ("exit.json", "exit-if-lost.json", "run.json", "spec.json") for liveness in Liveness]
    + [(name, Liveness.ALIVE) for name in (*FILES[3:], "secrets.json")],
)
def test_unreadable_job_file_does_not_stop_other_trainings(bench, name: str, liveness: Liveness) -> None:
    for number, _ in (
        enumerate(damaged_files(bench.job_directories.jobs_dir / "training-bad" / name)) if _made(bench) else ()
    ):
        bad = f"training-bad{number}"
        bench.submit(bad)
        bench.dispatcher.run_once()
        folder, kept = (
            bench.job_directories.job_directory(bad).path,
            bench.job_directories.jobs_dir / "training-bad" / name,
        )
        target = folder / name
        if not target.is_dir():
            target.unlink(missing_ok=True)
            _copy(kept, target)
        bench.runner.liveness[bad] = liveness
        check_training_completes(bench, f"training-good{number}")
        bench.pass_time(LOST_AFTER + 1)
        for _round in range(3):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
        state = bench.training(bad).state
        if liveness is Liveness.GONE:
            assert state is TrainingState.ERROR
        elif liveness is Liveness.ALIVE:
            assert not state.is_final
        bench.store.request_cancel("dlaas", bad, bench.clock.now)
        bench.runner.liveness[bad] = Liveness.GONE
        for _round in range(3):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
        assert bench.training(bad).state.is_final


def _made(bench: Bench) -> bool:
    (bench.job_directories.jobs_dir / "training-bad").mkdir(parents=True)
    return True


def _copy(source, target) -> None:
    if source.is_symlink():
        target.symlink_to(target.name if source.readlink().name == source.name else source.readlink())
    elif source.is_dir():
        target.mkdir()
    elif source.is_fifo():
        os.mkfifo(target)
    else:
        target.write_bytes(source.read_bytes())


@pytest.mark.parametrize("left", [b"", b'{"state": "err', b"{}", b'{"state": "completed"}', b"[" * 3000])
def test_unreadable_exit_if_lost_file_counts_as_missing(bench, left: bytes, caplog) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.write_phase(one, Phase.STORING)
    bench.job_directories.job_directory(one).exit_if_lost.write_bytes(left)
    bench.job_directories.job_directory(one).run.touch()
    bench.runner.liveness[one] = Liveness.GONE
    for _ in range(2):
        bench.dispatcher.run_once()
        bench.pass_time(LOST_AFTER + 1)
    ended = bench.training(one)
    assert (ended.state, ended.exit_code, ended.error.code) == (TrainingState.ERROR, None, "S100")
    assert "lost" in ended.error.message


@pytest.mark.parametrize("left", [b"", b'{"state": "comp', b"{}", b'{"state": "running"}'])
def test_truncated_exit_file_is_ignored_while_the_learner_lives(bench, left: bytes, caplog) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    path = bench.job_directories.job_directory(one).exit
    path.write_bytes(left)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
    assert not bench.training(one).state.is_final
    assert len([line for line in caplog.records if str(path) in line.getMessage()]) == 1
    bench.write_exit(one)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.COMPLETED


def test_truncated_exit_file_ends_the_training_after_its_learner_is_gone(bench) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.job_directories.job_directory(one).exit.write_text("{broken")
    bench.runner.liveness[one] = Liveness.GONE
    bench.dispatcher.run_once()
    assert not bench.training(one).state.is_final  # the rename of another machine may not be visible yet
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.error.code) == (TrainingState.ERROR, "S100")
    assert "exit.json" in ended.error.message
    with pytest.raises(NotFound):
        bench.store.get_definition_with_secrets(one)


class FailingStore:
    """The store, with a method that fails for one training."""

    def __init__(self, store: SqlStore, method: str, refused: str) -> None:
        self._store, self._method, self.refused = store, method, refused

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if name != self._method:
            return method

        def fail(training_id: str, *arguments: Any, **named: Any) -> Any:
            if training_id == self.refused:
                raise HostError("The database failed (DataError)")
            return method(training_id, *arguments, **named)

        return fail


@pytest.mark.parametrize("method", ["finish", "record_progress"])
def test_failed_release_of_slots_does_not_block_other_trainings(bench, method: str) -> None:
    bad = bench.submit("training-bad")
    bench.dispatcher.run_once()
    store = bench.store
    bench.store = FailingStore(store, method, bad)
    bench.dispatcher = bench.new_dispatcher("one")
    if method == "finish":
        bench.write_exit(bad)
    else:
        bench.write_phase(bad, Phase.STORING)
    bench.dispatcher.run_once()
    check_training_completes(bench, "training-good")
    bench.store.refused = ""
    bench.write_exit(bad)
    for _ in range(2):
        bench.dispatcher.run_once()
    assert bench.training(bad).state is TrainingState.COMPLETED
    bench.submit("training-large", slots=4)
    bench.dispatcher.run_once()
    assert len(bench.training("training-large").gpus) == 4
