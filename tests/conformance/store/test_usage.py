"""The record of used GPU slots: one row for each training that was started, also after its deletion."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import create_engine, text

from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.contract.task_tag import TaskTag
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.records import TrainingOutcome
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.usage_record import UsageRecord
from tests.conformance.store.conftest import NOW, a_definition, a_training, add, later

COMPLETED = TrainingOutcome(TrainingState.COMPLETED, later(9), exit_code=0)
LOST = TrainingOutcome(TrainingState.ERROR, later(9), error=ErrorItem(code="S100", message="lost"))


def rows(store: Store, owner: str | None = None) -> list[UsageRecord]:
    return list(store.list_usage(owner, later(-1000), later(1000)))


def start(store: Store, training_id: str, *gpus: str, at: float = 1) -> None:
    assert store.reserve_gpus(training_id, gpus or (f"gpu-of-{training_id}",), later(at))


def test_row_follows_the_training_from_its_start_to_its_end(store: Store) -> None:
    add(store, "t")
    assert rows(store) == []
    start(store, "t", at=2)
    expected = UsageRecord(
        "t", "me", None, None, 1, NOW, later(2), None, None, "pending", None, None, stalled_seconds=0.0
    )
    assert rows(store) == [expected]
    store.record_progress("t", TrainingState.RUNNING, Phase.PROCESSING, later(3))
    assert rows(store) == [replace(expected, state="running")]
    store.record_progress("t", TrainingState.RUNNING, Phase.STORING, later(5))
    assert rows(store) == [replace(expected, state="running", released_at=later(5))]
    store.finish("t", replace(COMPLETED, stalled_seconds=1.5))
    ended = replace(
        expected,
        state="completed",
        released_at=later(5),
        finished_at=later(9),
        exit_code=0,
        stalled_seconds=1.5,
    )
    assert rows(store) == [ended]
    store.finish("t", LOST)
    store.delete_training("me", "t")
    assert rows(store) == [ended]


def test_end_releases_slots_and_is_never_before_the_start(store: Store) -> None:
    add(store, "a", "b")
    start(store, "a", at=1)
    start(store, "b", at=20)
    for training_id in ("a", "b"):
        store.record_progress(training_id, TrainingState.RUNNING, Phase.PROCESSING, later(3))
        store.finish(training_id, LOST)
    assert [(one.released_at, one.finished_at, one.error_code) for one in rows(store)] == [
        (later(9), later(9), "S100"),
        (later(20), later(9), "S100"),
    ]


def test_training_that_was_never_started_has_no_row(store: Store) -> None:
    add(store, "a", "b")
    store.request_cancel("me", "a", later(1))
    store.finish("b", LOST)
    assert rows(store) == []


def test_refused_reservation_leaves_no_row(store: Store) -> None:
    add(store, "a", "b")
    start(store, "a", "0")
    assert not store.reserve_gpus("b", ["0"], later(2))
    assert not store.reserve_gpus("a", ["1"], later(2))
    assert [one.training_id for one in rows(store)] == ["a"]


def test_rows_are_selected_by_owner_and_time(store: Store) -> None:
    add(store, "a", "b")
    add(store, "c", owner="you")
    for training_id, moment in (("a", 1), ("b", 10), ("c", 10)):
        start(store, training_id, at=moment)
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(5))

    def found(owner: str | None, since: float, until: float) -> list[str]:
        return [one.training_id for one in store.list_usage(owner, later(since), later(until))]

    assert found(None, 0, 100) == ["a", "b", "c"]
    assert found("me", 0, 100) == ["a", "b"]
    assert found("you", 0, 100) == ["c"]
    assert found(None, 0, 10) == ["a"]
    assert found(None, 5, 100) == found(None, 50, 51) == ["b", "c"]
    assert found(None, 0, 1) == []


def test_dag_and_task_come_from_the_tag_of_the_description(store: Store) -> None:
    definition = a_definition()
    description = f"words {TaskTag('a.dag', 'the task')} [airflow-dlaas k3y]"
    shown = definition.model_dump(mode="json", exclude_unset=True)
    shown["model_definition"]["description"] = description
    store.create_training(replace(a_training("t"), definition=shown), definition, key=None, request_digest="d")
    start(store, "t")
    assert [(one.dag_id, one.task_id) for one in rows(store)] == [("a.dag", "the task")]


def test_damaged_definition_does_not_keep_a_training_from_its_start(url: str, store: Store) -> None:
    add(store, "t")
    execute(url, """UPDATE trainings SET definition = '["no object"]'""")
    start(store, "t")
    assert [one.dag_id for one in rows(store)] == [None]


def test_damaged_row_does_not_hide_the_others(url: str, store: Store) -> None:
    add(store, "a", "b")
    start(store, "a")
    start(store, "b")
    execute(url, "UPDATE usage SET slots = -1 WHERE training_id = 'a'")
    assert [one.training_id for one in rows(store)] == ["b"]


def test_upgrade_makes_rows_of_the_trainings_that_exist(url: str) -> None:
    store = SqlStore(url)
    add(store, "waiting", "running", "storing", "completed", "lost", "early")
    for number, training_id in enumerate(("running", "storing", "completed", "lost", "early")):
        start(store, training_id, str(number), at=20 if training_id == "early" else 1)
        store.record_progress(training_id, TrainingState.RUNNING, Phase.PROCESSING, later(2))
    store.record_progress("storing", TrainingState.RUNNING, Phase.STORING, later(5))
    for training_id, outcome in (("completed", COMPLETED), ("lost", LOST), ("early", COMPLETED)):
        store.finish(training_id, outcome)
    before = rows(store)
    assert len(before) == 5
    store.close()
    later_tables = [f"DROP TABLE IF EXISTS {name}" for name in ("usage", "maintenance")]
    columns = ("attempt", "ended_attempts", "checkpoint_sources", "data_report")
    later_columns = [f"ALTER TABLE trainings DROP COLUMN {name}" for name in columns]
    execute(url, *later_tables, *later_columns, "UPDATE alembic_version SET version_num = '0004'")
    upgraded = SqlStore(url)
    assert rows(upgraded) == before
    add(upgraded, "new")
    start(upgraded, "new")
    assert [one.training_id for one in rows(upgraded)][-1] == "new"
    upgraded.close()


def test_marked_training_is_a_change(store: Store) -> None:
    add(store, "a", "b")
    before = store.current_revision()
    store.mark_changed("a", later(7))
    (changed,) = store.list_changes("me", after=before, limit=9)
    assert (changed.id, changed.modified_at) == ("a", later(7))
    assert store.current_revision() == changed.revision == before + 1


def execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()
