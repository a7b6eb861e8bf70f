from __future__ import annotations

import asyncio

from airflow_dlaas.plugin.lookup import MAX_SINGLE_LOOKUPS, TrainingLookup
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY, summarize_training
from tests.unit.plugin.airflow import FakeAirflow
from tests.unit.plugin.trainings import MINE, THEIRS, FakeService, airflow_with, tagged_training


def test_list_contains_only_what_airflow_lists_for_the_user() -> None:
    fake_airflow = airflow_with(mine="training-1", theirs="training-9")
    service = FakeService([tagged_training(MINE, "training-1"), tagged_training(THEIRS, "training-9")])
    lookup = TrainingLookup(service_clients=service)  # type: ignore[arg-type]

    async def listed(user: str) -> list[str]:
        listing = await lookup.list_task_trainings(fake_airflow.api_of(user), "~", "~", 200)
        return sorted(row.id for row in listing.trainings)

    assert asyncio.run(listed("admin")) == ["training-1", "training-9"]
    # The cache has what the administrator read, and Anna still does not receive it.
    assert asyncio.run(listed("anna")) == ["training-1"]


def test_list_hides_a_training_of_another_dag_that_an_xcom_names() -> None:
    lookup = TrainingLookup(service_clients=FakeService([tagged_training(THEIRS, "training-9")]))  # type: ignore[arg-type]
    listing = asyncio.run(lookup.list_task_trainings(airflow_with(mine="training-9").api_of("anna"), "mine", "~", 200))
    assert [(row.id, row.name) for row in listing.trainings] == [(None, "")]


def test_list_reads_each_xcom_once() -> None:
    fake_airflow = airflow_with(mine="training-1")
    lookup = TrainingLookup(service_clients=FakeService([tagged_training(MINE, "training-1")]))  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(lookup.list_task_trainings(fake_airflow.api_of("anna"), "mine", "~", 200))
    assert fake_airflow.read_keys.count(TRAINING_XCOM_KEY) == 1


def test_list_reads_each_summary_once() -> None:
    fake_airflow = airflow_with(mine="training-1")
    fake_airflow.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    lookup = TrainingLookup(service_clients=FakeService([]))  # type: ignore[arg-type]
    for _ in range(3):
        listing = asyncio.run(lookup.list_task_trainings(fake_airflow.api_of("anna"), "mine", "~", 200))
        assert [row.id for row in listing.trainings] == ["training-1"]
    assert fake_airflow.read_keys.count(SUMMARY_XCOM_KEY) == 1


def test_list_reports_a_service_that_does_not_answer() -> None:
    lookup = TrainingLookup(service_clients=FakeService([], is_down=True))  # type: ignore[arg-type]
    listing = asyncio.run(lookup.list_task_trainings(airflow_with(mine="training-1").api_of("anna"), "~", "~", 200))
    assert listing.service_errors == ["c: The service does not answer"]
    assert listing.unavailable == ["c"]
    # Its state is unknown, which differs from not submitted.
    assert [(row.ref.task_id, row.id, row.state) for row in listing.trainings] == [("train", "training-1", None)]


def test_list_requests_a_training_that_the_service_did_not_list() -> None:
    service = FakeService([tagged_training(MINE, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow_with(mine="training-1").api_of("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [(one.id, one.source) for one in listing.trainings] == [("training-1", "service")]


def test_list_checks_the_tag_of_a_training_requested_by_itself() -> None:
    service = FakeService([tagged_training(THEIRS, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow_with(mine="training-1").api_of("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [one.id for one in listing.trainings] == [None]


def test_list_limits_the_number_of_single_requests() -> None:
    xcoms = {
        (TaskInstanceRef("mine", "r", "train", one), TRAINING_XCOM_KEY): {"connection": "c", "id": f"training-{one}"}
        for one in range(60)
    }
    service = FakeService([], listed=0)
    fake_airflow = FakeAirflow(xcoms, {"anna": {"mine"}})
    asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(fake_airflow.api_of("anna"), "mine", "r", 200)
    )  # type: ignore[arg-type]
    assert len(service.sent) == MAX_SINGLE_LOOKUPS
