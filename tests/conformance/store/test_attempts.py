"""Attempts of a training in the store."""

from __future__ import annotations

from datetime import datetime
from importlib import resources

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, text

from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.usage_record import UsageRecord
from tests.conformance.store.conftest import NOW, add, later

MOMENT = NOW.replace(microsecond=0)  # JSON has milliseconds
LOST = AttemptReport(
    number=1, started_at=MOMENT, ended_at=MOMENT, code="S100", reason="The learner was lost", exit_code=75
)


def start(store: SqlStore, training_id: str, *gpus: str, at: float = 1) -> None:
    assert store.reserve_gpus(training_id, gpus, later(at))


def recover(store: SqlStore, training_id: str, number: int = 1, at: float = 5) -> bool:
    return store.begin_next_attempt(training_id, LOST.model_copy(update={"number": number}), later(at))


def usage(store: SqlStore) -> list[UsageRecord]:
    return list(store.list_usage(None, datetime.min.replace(tzinfo=NOW.tzinfo), later(1000)))


def test_next_attempt_keeps_state_secrets_and_place_and_frees_the_slots(store: SqlStore) -> None:
    add(store, "a", "b")
    start(store, "a", "0")
    store.set_handle("a", "of attempt 1")
    store.record_progress("a", TrainingState.RUNNING, Phase.PROCESSING, later(2))
    assert store.begin_next_attempt("a", LOST, later(5))
    record = store.get_training("me", "a")
    assert (record.attempt, record.ended_attempts, record.was_started) == (2, (LOST,), True)
    assert (record.state, record.phase, record.running_at) == (TrainingState.RUNNING, Phase.RECOVERING, later(2))
    assert (record.started_at, record.handle, record.gpus, record.modified_at) == (None, None, (), later(5))
    assert store.get_definition_with_secrets("a").model_definition.name == "m"
    assert [store.list_queue(), store.get_queue_position("a"), store.get_queue_position("b")] == [["a", "b"], 0, 1]
    counts = store.count_trainings()
    assert (counts.queued, counts.slots_held, counts.oldest_queued_at) == (2, 0, NOW)
    start(store, "b", "0", at=6)
    assert store.count_trainings().oldest_queued_at == later(5)


def test_next_attempt_is_a_change_for_clients(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    revision = store.current_revision()
    assert recover(store, "a")
    assert [one.id for one in store.list_changes("me", after=revision, limit=9)] == ["a"]


def test_one_of_two_dispatchers_begins_the_next_attempt(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    assert [recover(store, "a"), recover(store, "a")] == [True, False]
    start(store, "a", "0", at=6)
    assert [recover(store, "a", 1), recover(store, "a", 2)] == [False, True]
    assert store.get_training("me", "a").attempt == 3


@pytest.mark.parametrize("is_ended", [False, True])
def test_nothing_follows_a_cancel_or_an_end(store: SqlStore, is_ended: bool) -> None:
    add(store, "a")
    start(store, "a", "0")
    if is_ended:
        store.finish("a", TrainingOutcome(TrainingState.ERROR, later(4)))
    else:
        store.request_cancel("me", "a", later(4))
    before = store.get_training("me", "a")
    assert not recover(store, "a")
    assert store.get_training("me", "a") == before


def test_cancel_between_two_attempts_ends_the_training_at_once(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    store.record_progress("a", TrainingState.RUNNING, Phase.PROCESSING, later(2))
    assert recover(store, "a")
    record = store.request_cancel("me", "a", later(6))
    assert (record.state, record.finished_at) == (TrainingState.CANCELED, later(6))
    assert [(one.attempt, one.state) for one in usage(store)] == [(1, "error")]
    assert not store.reserve_gpus("a", ["0"], later(7))


def test_changes_for_an_earlier_attempt_have_no_effect(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    assert recover(store, "a")
    assert not store.reserve_gpus("a", ["0"], later(6), attempt=1)
    assert store.reserve_gpus("a", ["0"], later(6), attempt=2)
    before = store.get_training("me", "a")
    store.set_handle("a", "of attempt 1", attempt=1)
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(7), attempt=1)
    store.finish("a", TrainingOutcome(TrainingState.COMPLETED, later(7)), attempt=1)
    assert store.get_training("me", "a") == before
    store.finish("a", TrainingOutcome(TrainingState.COMPLETED, later(8)), attempt=2)
    assert store.get_training("me", "a").state is TrainingState.COMPLETED


def test_each_attempt_has_a_row_of_usage(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    store.begin_next_attempt("a", LOST, later(5), stalled_seconds=2.5)
    first = UsageRecord(
        training_id="a",
        owner="me",
        dag_id=None,
        task_id=None,
        slots=1,
        submitted_at=NOW,
        started_at=later(1),
        released_at=later(5),
        finished_at=later(5),
        state="error",
        exit_code=75,
        error_code="S100",
        stalled_seconds=2.5,
    )
    assert usage(store) == [first]
    start(store, "a", "0", at=7)
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(8))
    store.finish("a", TrainingOutcome(TrainingState.COMPLETED, later(9), exit_code=0, stalled_seconds=1.0))
    assert usage(store)[0] == first
    second = usage(store)[1]
    assert (second.attempt, second.started_at, second.released_at) == (2, later(7), later(8))
    assert (second.state, second.exit_code, second.error_code, second.stalled_seconds) == ("completed", 0, None, 1.0)


def test_slots_released_while_storing_are_not_counted_until_the_recovery(store: SqlStore) -> None:
    add(store, "a")
    start(store, "a", "0")
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(3))
    assert recover(store, "a")
    assert [(one.released_at, one.finished_at) for one in usage(store)] == [(later(3), later(5))]


def test_upgrade_keeps_the_rows_of_usage(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        upgrade_schema(connection, "0006")
        row = (
            "INSERT INTO usage (training_id, owner, slots, submitted_at, started_at, state, stalled_seconds) "
            "VALUES (:id, 'me', 1, '2026-03-01 12:00:00', '2026-03-01 12:00:00', 'running', 0)"
        )
        for training_id in ("deleted", "running"):  # the first one has no record any more
            connection.execute(text(row), {"id": training_id})
    engine.dispose()
    store = SqlStore(url)
    assert [(one.training_id, one.attempt) for one in usage(store)] == [("deleted", 1), ("running", 1)]
    add(store, "running")
    with pytest.raises(HostError):  # one row for each attempt
        store.reserve_gpus("running", ["0"], later(2))
    assert store.get_training("me", "running").started_at is None
    store.close()


def upgrade_schema(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files("airflow_dlaas.service.store") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
