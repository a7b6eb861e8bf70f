"""The guarantees of `Store`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import create_engine, text

from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.data_report import DataReport, DataSourceReport
from airflow_dlaas.contract.error import ErrorItem
from airflow_dlaas.contract.state import TRANSITIONS, Phase, TrainingState
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import Conflict, NotFound
from airflow_dlaas.service.store.base import Store
from airflow_dlaas.service.store.records import TrainingOutcome
from tests.conformance.store.conftest import NOW, SECRET, a_definition, a_training, add, an_experiment, later

COMPLETED = TrainingOutcome(TrainingState.COMPLETED, later(9), exit_code=0, stored=True)


def at_once(number: int, do: Callable[[int], None]) -> None:
    barrier = Barrier(number)

    def run(index: int) -> None:
        barrier.wait()
        do(index)

    threads = [Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ids(records) -> list[str]:
    return [record.id for record in records]


# -- experiments -------------------------------------------------------------


def test_experiment_is_read_as_it_was_created(store: Store) -> None:
    experiment, version = an_experiment("e")
    store.create_experiment(experiment, version)
    assert store.get_experiment("me", "e") == (experiment, version)
    assert store.list_versions("me", "e") == [version]
    assert store.get_version("me", "e", "e-1") == version


def test_experiment_is_returned_with_its_newest_version(store: Store) -> None:
    for name in ("a", "b"):
        store.create_experiment(*an_experiment(name))
    second = store.add_version("me", "a", "a-2", later(1))
    assert (second.number, second.digest, second.size) == (2, None, None)
    assert [(one.id, newest.id) for one, newest in store.list_experiments("me")] == [("b", "b-1"), ("a", "a-2")]
    assert [one.id for one in store.list_versions("me", "a")] == ["a-1", "a-2"]


def test_concurrent_versions_have_different_numbers(store: Store) -> None:
    store.create_experiment(*an_experiment("a"))
    at_once(6, lambda index: store.add_version("me", "a", f"v{index}", NOW) and None)
    assert [one.number for one in store.list_versions("me", "a")] == [1, 2, 3, 4, 5, 6, 7]


def test_content_is_set_for_one_version(store: Store) -> None:
    store.create_experiment(*an_experiment("a"))
    store.add_version("me", "a", "a-2", NOW)
    store.set_content("me", "a", "a-1", "d" * 64, 2**40)
    assert (store.get_version("me", "a", "a-1").digest, store.get_version("me", "a", "a-1").size) == ("d" * 64, 2**40)
    assert store.get_version("me", "a", "a-2").digest is None


def test_deleting_an_experiment_deletes_its_versions(store: Store) -> None:
    store.create_experiment(*an_experiment("a"))
    store.set_content("me", "a", "a-1", "d" * 64, 1)
    store.delete_experiment("me", "a")
    for ask in (lambda: store.get_experiment("me", "a"), lambda: store.get_version("me", "a", "a-1")):
        with pytest.raises(NotFound):
            ask()
    assert store.list_used_digests() == frozenset()


def test_used_digests_are_those_of_versions_and_unfinished_trainings(store: Store) -> None:
    store.create_experiment(*an_experiment("a"))
    store.set_content("me", "a", "a-1", "d" * 64, 1)
    store.add_version("me", "a", "a-2", NOW)
    add(store, "t1", "t2")
    store.finish("t2", replace(COMPLETED, state=TrainingState.ERROR))
    assert store.list_used_digests() == {"d" * 64, "code-of-t1"}


# -- trainings ---------------------------------------------------------------


def test_training_is_read_as_it_was_created(store: Store) -> None:
    kept, created = store.create_training(a_training("t"), a_definition(), key=None, request_digest="d")
    assert created
    assert kept == replace(a_training("t"), revision=1)
    assert store.get_training("me", "t") == kept
    assert SECRET not in repr(kept)


def test_records_of_another_owner_are_not_found(store: Store) -> None:
    store.create_experiment(*an_experiment("a"))
    add(store, "t")
    for ask in (
        lambda: store.get_experiment("you", "a"),
        lambda: store.list_versions("you", "a"),
        lambda: store.get_version("you", "a", "a-1"),
        lambda: store.add_version("you", "a", "a-2", NOW),
        lambda: store.set_content("you", "a", "a-1", "d" * 64, 1),
        lambda: store.delete_experiment("you", "a"),
        lambda: store.get_training("you", "t"),
        lambda: store.request_cancel("you", "t", NOW),
        lambda: store.delete_training("you", "t"),
        lambda: store.acknowledge("you", "t", NOW),
        lambda: store.set_annotations("you", "t", Annotations(note="mine"), NOW),
    ):
        with pytest.raises(NotFound):
            ask()
    assert (
        store.list_experiments("you"),
        store.list_trainings("you", limit=9),
        store.list_changes("you", after=0, limit=9),
    ) == ([],) * 3


def test_key_creates_one_training_and_then_returns_it(store: Store) -> None:
    first = store.create_training(a_training("t1"), a_definition(), key="k", request_digest="d")
    second = store.create_training(a_training("t2"), a_definition(), key="k", request_digest="d")
    assert second == (first[0], False)
    assert store.find_by_key("me", "k", "d") == first[0]
    assert store.find_by_key("me", "other", "d") is None
    assert store.find_by_key("you", "k", "d") is None
    for ask in (
        lambda: store.create_training(a_training("t3"), a_definition(), key="k", request_digest="other"),
        lambda: store.find_by_key("me", "k", "other"),
    ):
        with pytest.raises(Conflict, match="t1"):
            ask()
    assert ids(store.list_trainings("me", limit=9)) == ["t1"]


def test_one_of_concurrent_calls_with_one_key_creates_a_training(store: Store) -> None:
    seen = []
    at_once(
        8,
        lambda index: seen.append(
            store.create_training(a_training(f"t{index}"), a_definition(), key="k", request_digest="d")
        ),
    )
    assert len({record.id for record, _ in seen}) == 1
    assert [created for _, created in seen].count(True) == 1


def test_trainings_of_all_owners_are_counted(store: Store) -> None:
    nothing = store.count_trainings()
    assert (nothing.by_state, nothing.errors_by_code, nothing.queued, nothing.slots_held) == ({}, {}, 0, 0)
    assert nothing.oldest_queued_at is None
    for name in ("a", "b", "c"):
        add(store, name)
    store.reserve_gpus("a", ["0"], NOW)
    store.set_handle("a", "handle")
    store.record_progress("a", TrainingState.RUNNING, Phase.LOADING, NOW)
    add(store, "d", owner="you")
    store.reserve_gpus("d", ["1", "2"], NOW)
    error = ErrorItem(code="C201", message="it exited with 3")
    store.finish("d", TrainingOutcome(TrainingState.ERROR, NOW, error=error))
    store.acquire_lease("dispatcher", "me", NOW, NOW + timedelta(seconds=9))
    counts = store.count_trainings()
    assert counts.by_state == {TrainingState.PENDING: 2, TrainingState.RUNNING: 1, TrainingState.ERROR: 1}
    assert counts.errors_by_code == {"C201": 1}
    assert (counts.queued, counts.oldest_queued_at, counts.slots_held) == (2, NOW, 1)
    assert counts.lease_expiry == {"dispatcher": NOW + timedelta(seconds=9)}


def test_list_is_newest_first_and_continues_before_an_id(store: Store) -> None:
    add(store, "a", "b", "c")
    add(store, "x", owner="you")
    assert ids(store.list_trainings("me", limit=2)) == ["c", "b"]
    assert ids(store.list_trainings("me", limit=2, before="b")) == ["a"]
    with pytest.raises(NotFound):
        store.list_trainings("me", limit=2, before="x")


def test_every_change_is_listed_after_the_previous_cursor(store: Store) -> None:
    add(store, "a", "b")
    changes: list[Callable[[], object]] = [
        lambda: store.reserve_gpus("a", ["0"], later(1)),
        lambda: store.set_handle("a", "h"),
        lambda: store.record_progress("a", TrainingState.RUNNING, Phase.LOADING, later(2)),
        lambda: store.record_progress("a", TrainingState.RUNNING, Phase.PROCESSING, later(3)),
        lambda: store.request_cancel("me", "a", later(4)),
        lambda: store.finish("a", TrainingOutcome(TrainingState.CANCELED, later(5))),
    ]
    for change in changes:
        before = store.current_revision()
        change()
        (changed,) = store.list_changes("me", after=before, limit=9)
        assert (changed.id, changed.revision) == ("a", store.current_revision())
        assert store.list_changes("me", after=store.current_revision(), limit=9) == []


def test_repetition_without_effect_is_no_change(store: Store) -> None:
    add(store, "a")
    store.reserve_gpus("a", ["0"], NOW)
    store.set_handle("a", "h")
    store.record_progress("a", TrainingState.RUNNING, Phase.LOADING, NOW)
    store.request_cancel("me", "a", NOW)
    before = store.current_revision()
    store.set_handle("a", "h")
    store.record_progress("a", TrainingState.RUNNING, Phase.LOADING, later(1))
    store.request_cancel("me", "a", later(1))
    store.reserve_gpus("a", ["0"], later(1))
    assert store.current_revision() == before


def test_acknowledgement_is_recorded_once_without_a_new_revision(store: Store) -> None:
    add(store, "a")
    store.reserve_gpus("a", ["0"], NOW)
    store.finish("a", COMPLETED)
    before = store.get_training("me", "a")
    assert before.acknowledged_at is None
    marked = store.acknowledge("me", "a", later(20))
    assert marked == replace(before, acknowledged_at=later(20))
    assert store.acknowledge("me", "a", later(30)) == marked
    assert store.get_training("me", "a") == marked
    assert (store.current_revision(), store.list_changes("me", after=before.revision, limit=9)) == (before.revision, [])


@pytest.mark.parametrize("state", [None, TrainingState.ERROR, TrainingState.CANCELED])
def test_only_completed_training_can_be_acknowledged(store: Store, state: TrainingState | None) -> None:
    add(store, "a")
    if state is not None:
        store.finish("a", replace(COMPLETED, state=state))
    with pytest.raises(Conflict, match=str(state or TrainingState.PENDING)):
        store.acknowledge("me", "a", NOW)
    assert store.get_training("me", "a").acknowledged_at is None


@pytest.mark.parametrize("state", [None, *(one for one in TrainingState if one.is_final)])
def test_annotations_are_a_change_in_every_state(store: Store, state: TrainingState | None) -> None:
    add(store, "a")
    if state is not None:
        store.finish("a", replace(COMPLETED, state=state))
    before = store.get_training("me", "a")
    annotations = Annotations(note="too slow\n\N{SNOWMAN} \x1b['\"%_", tags=("baseline", "%'\"\\_", "\N{SNOWMAN} b"))
    marked = store.set_annotations("me", "a", annotations, later(5))
    assert marked == replace(
        before, note=annotations.note, tags=annotations.tags, modified_at=later(5), revision=before.revision + 1
    )
    assert store.get_training("me", "a") == marked
    assert store.list_changes("me", after=before.revision, limit=9) == [marked]
    assert store.set_annotations("me", "a", annotations, later(6)) == marked
    cleared = store.set_annotations("me", "a", Annotations(), later(7))
    assert (cleared.note, cleared.tags) == ("", ())


def test_trainings_are_listed_by_all_of_their_tags(store: Store) -> None:
    add(store, "a", "b", "c", "d")
    for training_id, tags in {"a": ("x", "y"), "b": ("y",), "c": ("X", "xy", "y x"), "d": ()}.items():
        store.set_annotations("me", training_id, Annotations(tags=tags), NOW)

    def listed(*tags: str, before: str | None = None, limit: int = 9) -> list[str]:
        return ids(store.list_trainings("me", limit=limit, before=before, tags=tags))

    assert (listed("y"), listed("x"), listed("x", "y"), listed("X")) == (["b", "a"], ["a"], ["a"], ["c"])
    assert (listed("y", limit=1), listed("y", before="b"), listed("%"), listed("x", "X")) == (["b"], ["a"], [], [])
    assert store.list_trainings("you", limit=9, tags=["y"]) == []


def test_concurrent_writers_cause_no_gap_for_a_cursor(store: Store) -> None:
    seen, cursor = [], 0
    at_once(4, lambda index: add(store, *(f"t{index}-{number}" for number in range(5))))
    while found := store.list_changes("me", after=cursor, limit=3):
        seen += ids(found)
        cursor = found[-1].revision
    assert len(seen) == len(set(seen)) == 20
    assert cursor == store.current_revision() == 20


def test_queue_position_counts_all_owners(store: Store) -> None:
    add(store, "a", "b")
    add(store, "x", owner="you")
    add(store, "c")
    assert [store.get_queue_position(each) for each in ("a", "b", "x", "c")] == [0, 1, 2, 3]
    store.reserve_gpus("a", ["0"], NOW)
    store.request_cancel("me", "b", NOW)
    assert [store.get_queue_position(each) for each in ("a", "b", "x", "c", "none")] == [None, None, 0, 1, None]
    assert store.list_queue() == ["x", "c"]


def test_queued_training_is_canceled_immediately_and_its_secrets_are_erased(store: Store) -> None:
    add(store, "a")
    record = store.request_cancel("me", "a", later(1))
    assert (record.state, record.finished_at, record.cancel_requested) == (TrainingState.CANCELED, later(1), True)
    with pytest.raises(NotFound):
        store.get_definition_with_secrets("a")
    assert not store.reserve_gpus("a", ["0"], later(2))


def test_cancel_of_a_started_training_is_a_request(store: Store) -> None:
    add(store, "a")
    store.reserve_gpus("a", ["0"], NOW)
    record = store.request_cancel("me", "a", later(1))
    assert (record.state, record.cancel_requested) == (TrainingState.PENDING, True)
    assert ids(store.list_unfinished()) == ["a"]


@pytest.mark.parametrize("attempt", range(5))
def test_concurrent_reservation_and_cancel_are_ordered(store: Store, attempt: int) -> None:
    add(store, "t")
    booked: list[bool] = []
    race = (lambda: booked.append(store.reserve_gpus("t", ["0"], NOW)), lambda: store.request_cancel("me", "t", NOW))
    at_once(2, lambda index: race[index]() and None)
    record = store.get_training("me", "t")
    assert booked == [record.state is TrainingState.PENDING]
    assert record.cancel_requested


def test_only_finished_training_can_be_deleted_which_frees_its_key(store: Store) -> None:
    store.create_training(a_training("a"), a_definition(), key="k", request_digest="d")
    with pytest.raises(Conflict):
        store.delete_training("me", "a")
    store.request_cancel("me", "a", NOW)
    store.delete_training("me", "a")
    with pytest.raises(NotFound):
        store.get_training("me", "a")
    assert store.create_training(a_training("b"), a_definition(), key="k", request_digest="other")[1]


def test_get_states_returns_trainings_of_any_owner(store: Store) -> None:
    add(store, "waits", "runs")
    add(store, "others", owner="you")
    store.reserve_gpus("runs", ["gpu-0"], NOW)
    store.record_progress("runs", TrainingState.RUNNING, Phase.LOADING, NOW)
    store.request_cancel("you", "others", NOW)
    assert store.get_states(["waits", "runs", "others", "unknown"]) == {
        "waits": TrainingState.PENDING,
        "runs": TrainingState.RUNNING,
        "others": TrainingState.CANCELED,
    }
    assert store.get_states([]) == {}


def test_get_states_accepts_more_ids_than_one_query(store: Store) -> None:
    add(store, "first", "last")
    assert set(store.get_states(["first", *(f"unknown-{number}" for number in range(40_000)), "last"])) == {
        "first",
        "last",
    }


def test_unknown_state_is_none(store: Store, url: str) -> None:
    add(store, "of-the-future", "of-today")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE trainings SET state = 'paused' WHERE id = 'of-the-future'"))
    engine.dispose()
    assert store.get_states(["of-the-future", "of-today"]) == {"of-the-future": None, "of-today": TrainingState.PENDING}


# -- the dispatcher's side ---------------------------------------------------


def test_lease_belongs_to_one_holder_until_it_expires(store: Store) -> None:
    assert store.acquire_lease("dispatcher", "a", NOW, later(10))
    assert not store.acquire_lease("dispatcher", "b", later(9), later(20))
    assert store.acquire_lease("dispatcher", "a", later(9), later(15))
    assert not store.acquire_lease("dispatcher", "b", later(14), later(30))
    assert store.acquire_lease("dispatcher", "b", later(15), later(30))
    assert not store.acquire_lease("dispatcher", "a", later(16), later(40))
    assert store.acquire_lease("sweeper", "a", NOW, later(10))


def test_one_of_concurrent_holders_acquires_the_lease(store: Store) -> None:
    won = []
    at_once(6, lambda index: won.append(store.acquire_lease("dispatcher", f"h{index}", NOW, later(10))))
    assert won.count(True) == 1


def test_unfinished_trainings_are_in_the_order_of_submission(store: Store) -> None:
    add(store, "c", "a")
    add(store, "b", owner="you")
    store.reserve_gpus("c", ["0"], NOW)
    assert ids(store.list_unfinished()) == ["c", "a", "b"]
    store.finish("c", COMPLETED)
    assert ids(store.list_unfinished()) == ["a", "b"]


def test_secrets_are_stored_until_the_end(store: Store) -> None:
    add(store, "a")
    assert store.get_definition_with_secrets("a").training_data[0].connection.password.get_secret_value() == SECRET
    store.finish("a", replace(COMPLETED, state=TrainingState.ERROR))
    with pytest.raises(NotFound):
        store.get_definition_with_secrets("a")


def test_gpus_are_reserved_once_per_training(store: Store) -> None:
    add(store, "a")
    assert store.reserve_gpus("a", ["0", "1"], later(1))
    assert not store.reserve_gpus("a", ["2"], later(2))
    record = store.get_training("me", "a")
    assert (record.gpus, record.started_at, record.state) == (("0", "1"), later(1), TrainingState.PENDING)


def test_slot_is_held_by_one_training_until_its_end(store: Store) -> None:
    add(store, "a", "b")
    assert store.reserve_gpus("a", ["0", "1"], NOW)
    assert not store.reserve_gpus("b", ["1", "2"], NOW)
    assert store.get_training("me", "b").started_at is None
    store.finish("a", COMPLETED)
    assert store.get_training("me", "a").gpus == ("0", "1")
    assert store.reserve_gpus("b", ["1", "2"], NOW)


def test_training_that_stores_its_results_holds_no_slots(store: Store) -> None:
    add(store, "a", "b", "c")
    store.reserve_gpus("a", ["0", "1"], NOW)
    store.record_progress("a", TrainingState.RUNNING, Phase.PROCESSING, NOW)
    assert store.count_trainings().slots_held == 2
    assert not store.reserve_gpus("b", ["1"], NOW)
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, NOW)
    assert store.count_trainings().slots_held == 0
    assert store.get_training("me", "a").gpus == ("0", "1")
    assert store.reserve_gpus("b", ["1"], NOW)
    assert not store.reserve_gpus("c", ["1"], NOW)


def test_progress_is_recorded(store: Store) -> None:
    add(store, "a")
    store.reserve_gpus("a", ["0"], later(1))
    store.set_handle("a", "handle")
    store.record_progress("a", TrainingState.PENDING, Phase.PREPARING, later(2))
    assert store.get_training("me", "a").phase is Phase.PREPARING
    store.record_progress("a", TrainingState.RUNNING, Phase.LOADING, later(3))
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(4))
    record = store.get_training("me", "a")
    assert (record.state, record.phase, record.handle) == (TrainingState.RUNNING, Phase.STORING, "handle")
    assert (record.running_at, record.modified_at) == (later(3), later(4))


@pytest.mark.parametrize("before", TrainingState)
@pytest.mark.parametrize("after", TrainingState)
def test_only_transitions_of_the_table_are_recorded(store: Store, before: TrainingState, after: TrainingState) -> None:
    add(store, "a")
    if before is TrainingState.RUNNING:
        store.record_progress("a", before, None, NOW)
    elif before.is_final:
        store.finish("a", TrainingOutcome(before, NOW))
    if not after.is_final and (after is before or after in TRANSITIONS[before]):
        store.record_progress("a", after, Phase.PROCESSING, NOW)
        assert store.get_training("me", "a").state is after
    else:
        with pytest.raises(ValueError, match="cannot advance"):
            store.record_progress("a", after, None, NOW)
        assert store.get_training("me", "a").state is before


def test_outcome_is_recorded_completely(store: Store) -> None:
    add(store, "a")
    store.record_progress("a", TrainingState.RUNNING, Phase.STORING, later(1))
    error = ErrorItem(code="C201", message="dl_job_failed")
    store.finish("a", TrainingOutcome(TrainingState.ERROR, later(2), exit_code=3, error=error, stored=True))
    record = store.get_training("me", "a")
    assert (record.state, record.phase, record.finished_at) == (TrainingState.ERROR, None, later(2))
    assert (record.exit_code, record.error, record.stored, record.modified_at) == (3, error, True, later(2))


@pytest.mark.parametrize("seconds", [2.5, float("inf"), None])
def test_report_of_the_training_data_is_recorded_with_the_outcome(store: Store, seconds: float | None) -> None:
    add(store, "a", "b")
    report = DataReport(sources=(DataSourceReport(name="c", type=StoreType.S3, files=3),), seconds=seconds)
    for training_id, found in (("a", report), ("b", None)):
        store.record_progress(training_id, TrainingState.RUNNING, None, later(1))
        assert store.get_training("me", training_id).data_report is None
        store.finish(training_id, replace(COMPLETED, data_report=found))
        record = store.get_training("me", training_id)
        assert (record.data_report, record.unreadable_columns) == (found, None)


def test_final_state_never_changes(store: Store) -> None:
    add(store, "a")
    store.record_progress("a", TrainingState.RUNNING, None, later(1))
    store.finish("a", COMPLETED)
    ended = store.get_training("me", "a")
    store.finish("a", TrainingOutcome(TrainingState.ERROR, later(20)))
    store.request_cancel("me", "a", later(21))
    assert store.get_training("me", "a") == ended


def test_unobserved_training_gets_the_time_of_running(store: Store) -> None:
    add(store, "a")
    store.reserve_gpus("a", ["0"], later(1))
    store.finish("a", COMPLETED)
    record = store.get_training("me", "a")
    assert (record.state, record.running_at) == (TrainingState.COMPLETED, later(1))


def test_finish_requires_a_final_state(store: Store) -> None:
    add(store, "a")
    with pytest.raises(ValueError, match="not a final state"):
        store.finish("a", TrainingOutcome(TrainingState.RUNNING, NOW))


def test_unknown_trainings_are_not_found(store: Store) -> None:
    for ask in (
        lambda: store.get_training("me", "none"),
        lambda: store.get_definition_with_secrets("none"),
        lambda: store.reserve_gpus("none", ["0"], NOW),
        lambda: store.set_handle("none", "h"),
        lambda: store.record_progress("none", TrainingState.RUNNING, None, NOW),
        lambda: store.finish("none", COMPLETED),
    ):
        with pytest.raises(NotFound):
            ask()
