from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_dlaas.plugin.airflow_api_client import AirflowApiError
from airflow_dlaas.plugin.lookup import OWNERSHIP_TTL, TrainingLookup, TrainingNotFound
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY, summarize_training
from tests.unit.plugin.airflow import FakeAirflow
from tests.unit.plugin.trainings import MINE, THEIRS, THERE, FakeService, airflow_with, tagged_training


def find(
    fake_airflow: FakeAirflow,
    service: FakeService,
    ref: TaskInstanceRef = MINE,
    training_id: str | None = None,
    user: str = "anna",
) -> Any:
    return asyncio.run(
        TrainingLookup(service_clients=service).find_for_task(fake_airflow.api_of(user), ref, training_id)
    )  # type: ignore[arg-type]


def test_find_returns_the_training_that_the_xcom_names_and_the_tag_confirms() -> None:
    found = find(airflow_with(mine="training-1"), FakeService([tagged_training(MINE, "training-1")]))
    assert (found.training.id, found.source, found.conn_id) == ("training-1", "service", "c")


def test_find_accepts_a_tag_of_version_1() -> None:
    found = find(airflow_with(mine="training-1"), FakeService([tagged_training(MINE, "training-1", form=1)]))
    assert found.training.id == "training-1"


def test_list_tries_finds_both_tag_versions_and_excludes_other_airflows() -> None:
    known = [
        tagged_training(MINE, "training-1", form=1),
        tagged_training(MINE, "training-2", number=1),
        tagged_training(MINE, "training-3", airflow=THERE),
        tagged_training(THEIRS, "training-4"),
    ]
    service = FakeService(known)
    fake_airflow = airflow_with(mine="training-2")
    fake_airflow.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = RunKey.from_description(
        known[1].entity.model_definition.description
    ).idempotency_key  # type: ignore[union-attr]
    found = find(fake_airflow, service)
    tries, error = asyncio.run(TrainingLookup(service_clients=service).list_tries(found))  # type: ignore[arg-type]
    assert ({one.id for one in tries}, error) == ({"training-1", "training-2"}, None)


def test_training_of_another_airflow_with_the_same_task_name_is_not_found_and_not_listed() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(MINE, "training-3", airflow=THERE)]
    key = RunKey.from_description(known[0].entity.model_definition.description).idempotency_key  # type: ignore[union-attr]
    fake_airflow = airflow_with(mine="training-1")
    fake_airflow.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    with pytest.raises(TrainingNotFound, match="no training with this id"):
        find(fake_airflow, FakeService(known), training_id="training-3")
    fake_airflow = airflow_with(mine="training-3")
    fake_airflow.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    lookup = TrainingLookup(service_clients=FakeService(known))  # type: ignore[arg-type]
    listed = asyncio.run(lookup.list_task_trainings(fake_airflow.api_of("anna"), "mine", MINE.run_id, 10))  # type: ignore[arg-type]
    assert [row.state for row in listed.trainings] == [None]


def test_find_returns_an_earlier_try_by_its_id() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(MINE, "training-2", number=1)]
    found = find(airflow_with(mine="training-2"), FakeService(known), training_id="training-1")
    assert (found.training.id, found.current_id) == ("training-1", "training-2")


def test_find_refuses_a_training_of_another_dag_that_the_xcom_names() -> None:
    with pytest.raises(TrainingNotFound, match="no training with this id"):
        find(airflow_with(mine="training-9"), FakeService([tagged_training(THEIRS, "training-9")]))


def test_find_refuses_the_id_of_a_training_of_another_dag() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(THEIRS, "training-9")]
    with pytest.raises(TrainingNotFound):
        find(airflow_with(mine="training-1"), FakeService(known), training_id="training-9")


def test_find_raises_airflow_s_403_and_sends_nothing_to_the_service() -> None:
    service = FakeService([tagged_training(THEIRS, "training-9")])
    with pytest.raises(AirflowApiError, match="Forbidden") as denied:
        find(airflow_with(theirs="training-9"), service, THEIRS)
    assert denied.value.status == 403
    assert service.sent == []


def test_find_raises_airflow_s_401_for_an_unknown_user() -> None:
    with pytest.raises(AirflowApiError) as denied:
        find(airflow_with(mine="training-1"), FakeService([]), user="stranger")
    assert denied.value.status == 401


def test_find_returns_the_training_of_the_same_run_for_a_sensor() -> None:
    fake_airflow, sensor = airflow_with(mine="training-1"), TaskInstanceRef(MINE.dag_id, MINE.run_id, "wait")
    fake_airflow.xcoms[sensor, TRAINING_XCOM_KEY] = {"connection": "c", "id": "training-1"}
    found = find(fake_airflow, FakeService([tagged_training(MINE, "training-1")]), sensor)
    assert found.training.id == "training-1"


def test_find_returns_the_summary_where_the_service_does_not_know_the_training() -> None:
    fake_airflow = airflow_with(mine="training-1")
    fake_airflow.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    found = find(fake_airflow, FakeService([]))
    assert (found.training.id, found.source, found.is_unavailable) == ("training-1", "task", False)


def test_find_returns_the_summary_and_the_error_where_the_service_does_not_answer() -> None:
    fake_airflow = airflow_with(mine="training-1")
    fake_airflow.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    found = find(fake_airflow, FakeService([], is_down=True))
    assert (found.training.id, found.is_unavailable, found.service_error) == (
        "training-1",
        True,
        "The service does not answer",
    )


def test_find_searches_all_tasks_of_the_run_for_a_sensor() -> None:
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train", 0)
    many = [TaskInstanceRef("mine", "r", "train", index) for index in range(1, 500)]
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, *many, first)}
    fake_airflow = FakeAirflow(xcoms, {"anna": {"mine"}})
    found = find(fake_airflow, FakeService([tagged_training(first, "training-1")]), sensor)
    assert found.training.id == "training-1"
    assert fake_airflow.read_keys == [TRAINING_XCOM_KEY]  # the XComs of the other tasks are not read


def test_require_accepts_a_cached_ownership_only_for_the_user_the_xcom_and_the_training_it_was_verified_for() -> None:
    now = [0.0]
    fake_airflow, service = airflow_with(mine="training-1"), FakeService([tagged_training(MINE, "training-1")])
    lookup = TrainingLookup(service, clock=lambda: now[0])  # type: ignore[arg-type]

    def requests(user: str, training_id: str = "training-1") -> int:
        """Return how many requests to the service it takes to find its connection."""
        before = len(service.sent)
        found = asyncio.run(lookup.resolve_connection(fake_airflow.api_of(user), MINE, training_id))
        assert found.conn_id == "c"
        return len(service.sent) - before

    assert [requests("anna"), requests("anna")] == [1, 0]
    assert [requests("admin"), requests("admin")] == [1, 0]
    now[0] = OWNERSHIP_TTL + 1
    assert requests("anna") == 1
    fake_airflow.xcoms[MINE, TRAINING_XCOM_KEY] = {"connection": "c", "id": "training-2"}
    assert requests("anna") == 1
    with pytest.raises(TrainingNotFound):
        requests("anna", "training-9")


def test_cached_ownership_does_not_outlive_airflow_s_permission() -> None:
    fake_airflow, service = airflow_with(mine="training-1"), FakeService([tagged_training(MINE, "training-1")])
    lookup = TrainingLookup(service)  # type: ignore[arg-type]
    asyncio.run(lookup.resolve_connection(fake_airflow.api_of("anna"), MINE, "training-1"))
    fake_airflow.readable["anna"] = set()
    with pytest.raises(AirflowApiError, match="Forbidden"):
        asyncio.run(lookup.resolve_connection(fake_airflow.api_of("anna"), MINE, "training-1"))
    del fake_airflow.readable["anna"]
    with pytest.raises(AirflowApiError) as denied:
        asyncio.run(lookup.resolve_connection(fake_airflow.api_of("anna"), MINE, "training-1"))
    assert denied.value.status == 401


def test_cached_ownership_saves_a_sensor_s_search_for_the_task() -> None:
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train")
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, first)}
    fake_airflow, service = FakeAirflow(xcoms, {"anna": {"mine"}}), FakeService([tagged_training(first, "training-1")])
    lookup = TrainingLookup(service)  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(lookup.find_for_task(fake_airflow.api_of("anna"), sensor))
    assert fake_airflow.lists == 1


def test_cached_ownership_is_verified_again_after_its_time_although_the_page_is_open() -> None:
    now = [0.0]
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train")
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, first)}
    fake_airflow, service = FakeAirflow(xcoms, {"anna": {"mine"}}), FakeService([tagged_training(first, "training-1")])
    lookup = TrainingLookup(service, clock=lambda: now[0])  # type: ignore[arg-type]
    for second in range(0, int(OWNERSHIP_TTL) + 2, 2):
        now[0] = second
        asyncio.run(lookup.find_for_task(fake_airflow.api_of("anna"), sensor))
    assert fake_airflow.lists == 2
