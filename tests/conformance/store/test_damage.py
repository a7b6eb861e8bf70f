"""An unreadable row does not affect other rows, on any database."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import delete, select, text
from sqlalchemy.exc import DBAPIError

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.row_reader import read_rows
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.tables import trainings
from tests.conformance.store.conftest import NOW, add, an_experiment, later

VALUES: tuple[Any, ...] = ("", "x", "[]", "{}", "null", "[1]", '{"a": 1}', "5", "infinity", "9999-12-31 23:59:59Z")
COLUMNS = [column.name for column in trainings.c if column.name not in {"seq", "id", "owner"}]


def damage(store: SqlStore, table: str, column: str, value: Any) -> bool:
    """Write *value* to a column of the row ``bad``; return False if the database refuses it."""
    kind = {"definition": "json", "gpus": "json", "error": "json", "draft": "json"}.get(column)
    typed = f"CAST(:value AS {kind})" if kind and store._database._engine.dialect.name == "postgresql" else ":value"
    with store._database._engine.connect() as connection:
        connection.execution_options(writes=True)
        try:
            with connection.begin():
                connection.execute(text(f"UPDATE {table} SET {column} = {typed} WHERE id = 'bad'"), {"value": value})  # noqa: S608
        except DBAPIError:
            return False
    return True


def ids(records) -> set[str]:
    return {record.id for record in records}


@pytest.mark.parametrize("column", COLUMNS)
def test_damaged_column_of_a_training_does_not_affect_another_training(store: SqlStore, column: str) -> None:
    add(store, "bad", "good")
    store.reserve_gpus("bad", ["0"], NOW)
    store.set_annotations("me", "good", Annotations(tags=("x",)), NOW)
    for value in VALUES:
        if not damage(store, "trainings", column, value):
            continue
        assert "good" in ids(store.list_trainings("me", limit=9))
        assert "good" in ids(store.list_trainings("me", limit=9, tags=["x"]))
        assert "good" in ids(store.list_changes("me", after=0, limit=9))
        assert "good" in ids(store.list_unfinished())
        assert store.get_training("me", "bad").id == "bad"
        assert "good" in store.list_queue()
        store.count_trainings()
    assert store.reserve_gpus("good", ["1"], NOW)
    store.finish("good", TrainingOutcome(TrainingState.COMPLETED, later(1)))
    assert store.get_training("me", "good").state is TrainingState.COMPLETED
    store.list_used_digests()


def test_unknown_state_is_counted_and_holds_slots_until_the_end(store: SqlStore) -> None:
    add(store, "bad", "good")
    store.reserve_gpus("bad", ["0"], NOW)
    damage(store, "trainings", "state", "paused")
    assert (store.count_trainings().unknown_states, store.count_trainings().slots_held) == (1, 1)
    assert not store.reserve_gpus("good", ["0"], NOW)
    record = store.get_training("me", "bad")
    assert (record.unreadable_columns, record.state) == ("state", TrainingState.RUNNING)
    store.finish("bad", TrainingOutcome(TrainingState.COMPLETED, later(1), exit_code=0))
    assert store.get_training("me", "bad").unreadable_columns is None
    assert store.reserve_gpus("good", ["0"], NOW)


def test_unreadable_columns_are_logged_once(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    add(store, "bad")
    damage(store, "trainings", "gpus", '{"a": 1}')
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            store.list_trainings("me", limit=9)
    assert len([line for line in caplog.messages if "training bad" in line and "gpus" in line]) <= 1


def test_nulls_in_a_stored_definition_are_dropped(store: SqlStore) -> None:
    add(store, "bad")
    damage(
        store,
        "trainings",
        "definition",
        '{"model_definition": {"name": "n", "author": null}, "training_results": null}',
    )
    record = store.get_training("me", "bad")
    assert (record.definition, record.unreadable_columns) == ({"model_definition": {"name": "n"}}, None)


@pytest.mark.parametrize("value", ["[]", "5", "null"])
def test_damaged_draft_does_not_affect_another_experiment(store: SqlStore, value: str) -> None:
    for one in ("bad", "good"):
        store.create_experiment(*an_experiment(one))
    assert damage(store, "experiments", "draft", value)
    found = {experiment.id: experiment.unreadable_columns for experiment, _ in store.list_experiments("me")}
    assert found == {"good": None, "bad": "draft"}
    store.delete_experiment("me", "bad")


def test_row_deleted_during_row_by_row_reading_is_skipped(store: SqlStore) -> None:
    add(store, "good", "deleted")
    calls: list[str] = []

    def read(row: Mapping[str, Any]) -> str:
        calls.append(row["id"])
        if len(calls) == 1:
            raise ValueError("a damaged value: after this, each row is read separately")
        connection.execute(delete(trainings).where(trainings.c.id == "deleted"))
        return str(row["id"])

    with store._database.read_transaction() as connection:
        query = select(trainings.c.seq, trainings.c.id).order_by(trainings.c.seq)
        assert read_rows(connection, query, trainings.c.seq, read, lambda _: "unreadable") == ["good"]
        connection.rollback()


def test_null_character_in_an_error_message_does_not_affect_counts(store: SqlStore) -> None:
    add(store, "bad", "good")
    for one, message in (("bad", "a\0b"), ("good", "plain")):
        store.reserve_gpus(one, [one], NOW)
        store.finish(one, TrainingOutcome(TrainingState.ERROR, later(1), error=ErrorItem(code="C201", message=message)))
    assert store.count_trainings().errors_by_code == {"C201": 2}
    error = store.get_training("me", "bad").error
    assert error is not None
    assert error.message == "a\0b"
