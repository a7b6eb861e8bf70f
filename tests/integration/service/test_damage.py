"""One record or one job folder that cannot be read stops no other training: the dispatcher goes on."""

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
from tests.integration.service.test_dispatcher import Bench
from tests.unit.service.api.test_damage import FILES, VALUES, spoil


@pytest.fixture
def bench(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/database.sqlite")
    yield Bench(tmp_path, store)
    store.close()


COLUMNS = [column.name for column in trainings.c if column.name != "seq"]


def damage(bench: Bench, id: str, column: str, value: Any) -> bool:
    """Put *value* into a column of a training; False where the database itself does not take it."""
    with closing(sqlite3.connect(str(bench.store._database._url.database))) as database:
        database.execute("PRAGMA busy_timeout = 10000")
        try:
            database.execute(f'update trainings set "{column}" = ? where id = ?', (value, id))  # noqa: S608
            database.commit()
        except sqlite3.IntegrityError:
            return False
    return True


def trains(bench: Bench, id: str) -> None:
    """Another training is submitted, started, followed and ended."""
    bench.submit(id)
    bench.dispatcher.run_once()
    assert bench.training(id).gpus, "it was not started"
    bench.reach(id, Phase.PROCESSING)
    bench.dispatcher.run_once()
    assert bench.training(id).state is TrainingState.RUNNING
    bench.leave(id)
    bench.dispatcher.run_once()
    assert bench.training(id).state is TrainingState.COMPLETED


@pytest.mark.parametrize("started", [True, False], ids=["started", "waiting"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_that_cannot_be_read_stops_no_other_training(bench, column: str, started: bool) -> None:
    for number, value in enumerate(VALUES[:: 1 if column in {"state", "gpus", "secrets", "definition"} else 3]):
        bad = bench.submit(f"training-bad{number}")
        if started:
            bench.dispatcher.run_once()
            bench.reach(bad, Phase.PROCESSING)
        if not damage(bench, bad, column, value):
            continue
        trains(bench, f"training-good{number}")
        with closing(sqlite3.connect(str(bench.store._database._url.database))) as database:
            database.execute("delete from trainings where state not in ('completed')")
            database.commit()


def test_a_training_in_an_unknown_state_is_followed_to_its_end(bench) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    damage(bench, one, "state", "paused")
    bench.dispatcher.run_once()
    assert bench.training(one).unreadable_columns == "state"
    bench.leave(one)
    bench.dispatcher.run_once()
    assert (bench.training(one).state, bench.training(one).unreadable_columns) == (TrainingState.COMPLETED, None)


def test_a_waiting_training_in_an_unknown_state_is_not_started(bench) -> None:
    one = bench.submit("training-a")
    damage(bench, one, "state", "paused")
    trains(bench, "training-b")
    assert bench.stage.started == ["training-b"]


@pytest.mark.parametrize("secrets", [None, "", "x", "fernet:x", "{}", b"\xff"])
def test_without_its_secrets_a_training_ends_with_the_reason(bench, secrets: Any) -> None:
    one = bench.submit("training-a")
    damage(bench, one, "secrets", secrets)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.error.code) == (TrainingState.ERROR, "S101")
    assert "could not be started" in ended.error.message


@pytest.mark.parametrize(
    ("name", "sight"),
    [(name, sight) for name in ("exit.json", "exit-if-lost.json", "run.json", "spec.json") for sight in Liveness]
    + [(name, Liveness.ALIVE) for name in (*FILES[3:], "secrets.json")],
)
def test_a_job_file_that_cannot_be_read_stops_no_other_training(bench, name: str, sight: Liveness) -> None:
    for number, _ in enumerate(spoil(bench.workplace.jobs_dir / "training-bad" / name)) if _made(bench) else ():
        bad = f"training-bad{number}"
        bench.submit(bad)
        bench.dispatcher.run_once()
        folder, kept = bench.workplace.job_directory(bad).path, bench.workplace.jobs_dir / "training-bad" / name
        target = folder / name
        if not target.is_dir():
            target.unlink(missing_ok=True)
            _copy(kept, target)
        bench.stage.sights[bad] = sight
        trains(bench, f"training-good{number}")
        bench.pass_time(LOST_AFTER + 1)
        for _round in range(3):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
        state = bench.training(bad).state
        if sight is Liveness.GONE:
            assert state is TrainingState.ERROR
        elif sight is Liveness.ALIVE:
            assert not state.is_final
        bench.store.request_cancel("dlaas", bad, bench.clock.now)
        bench.stage.sights[bad] = Liveness.GONE
        for _round in range(3):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
        assert bench.training(bad).state.is_final


def _made(bench: Bench) -> bool:
    (bench.workplace.jobs_dir / "training-bad").mkdir(parents=True)
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
def test_what_holds_if_the_learner_is_lost_counts_only_where_it_can_be_read(bench, left: bytes, caplog) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.reach(one, Phase.STORING)
    bench.workplace.job_directory(one).exit_if_lost.write_bytes(left)
    bench.workplace.job_directory(one).run.touch()
    bench.stage.sights[one] = Liveness.GONE
    for _ in range(2):
        bench.dispatcher.run_once()
        bench.pass_time(LOST_AFTER + 1)
    ended = bench.training(one)
    assert (ended.state, ended.exit_code, ended.error.code) == (TrainingState.ERROR, None, "S100")
    assert "lost" in ended.error.message


@pytest.mark.parametrize("left", [b"", b'{"state": "comp', b"{}", b'{"state": "running"}'])
def test_a_truncated_exit_is_no_end_while_the_learner_lives(bench, left: bytes, caplog) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    path = bench.workplace.job_directory(one).exit
    path.write_bytes(left)
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            bench.dispatcher.run_once()
            bench.pass_time(LOST_AFTER + 1)
    assert not bench.training(one).state.is_final
    assert len([line for line in caplog.records if str(path) in line.getMessage()]) == 1
    bench.leave(one)
    bench.dispatcher.run_once()
    assert bench.training(one).state is TrainingState.COMPLETED


def test_a_truncated_exit_of_a_learner_that_is_gone_ends_the_training_with_the_reason(bench) -> None:
    one = bench.submit("training-a")
    bench.dispatcher.run_once()
    bench.workplace.job_directory(one).exit.write_text("{broken")
    bench.stage.sights[one] = Liveness.GONE
    bench.dispatcher.run_once()
    assert not bench.training(one).state.is_final  # another machine's rename may still be on its way
    bench.pass_time(LOST_AFTER + 1)
    bench.dispatcher.run_once()
    ended = bench.training(one)
    assert (ended.state, ended.error.code) == (TrainingState.ERROR, "S100")
    assert "exit.json" in ended.error.message
    with pytest.raises(NotFound):
        bench.store.get_definition_with_secrets(one)


class Refusing:
    """The store, but *verb* fails for one training."""

    def __init__(self, store: SqlStore, verb: str, refused: str) -> None:
        self._store, self._verb, self.refused = store, verb, refused

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if name != self._verb:
            return verb

        def fail(training_id: str, *arguments: Any) -> Any:
            if training_id == self.refused:
                raise HostError("The database failed (DataError)")
            return verb(training_id, *arguments)

        return fail


@pytest.mark.parametrize("verb", ["finish", "record_progress"])
def test_slots_that_cannot_be_recorded_as_free_keep_no_other_training_waiting(bench, verb: str) -> None:
    bad = bench.submit("training-bad")
    bench.dispatcher.run_once()
    store = bench.store
    bench.store = Refusing(store, verb, bad)
    bench.dispatcher = bench.another("one")
    if verb == "finish":
        bench.leave(bad)
    else:
        bench.reach(bad, Phase.STORING)
    bench.dispatcher.run_once()
    trains(bench, "training-good")
    bench.store.refused = ""
    bench.leave(bad)
    for _ in range(2):
        bench.dispatcher.run_once()
    assert bench.training(bad).state is TrainingState.COMPLETED
    bench.submit("training-large", slots=4)
    bench.dispatcher.run_once()
    assert len(bench.training("training-large").gpus) == 4
