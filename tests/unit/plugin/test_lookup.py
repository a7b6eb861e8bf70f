from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import NotFound, Unreachable
from airflow_dlaas.plugin.airflow_api_client import AirflowApiError
from airflow_dlaas.plugin.lookup import MAX_SINGLE_LOOKUPS, OWNERSHIP_TTL, TrainingLookup, TrainingNotFound
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, task_digest, task_digest_v1
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY, summarize_training
from tests.builders import a_training
from tests.unit.plugin.airflow import FakeAirflow

HERE, THERE = "a" * 16, "b" * 16
"""Digests of two Airflows in the tags of trainings."""

MINE = TaskInstanceRef("mine", "run+1 ü", "train")
THEIRS = TaskInstanceRef("theirs", "r", "train")


@dataclass
class Service:
    """A service with the trainings *known*; the newest *listed* of them are in its list."""

    known: list[Training]
    is_down: bool = False
    listed: int = 300
    sent: list[Call[Any]] = field(default_factory=list)

    def send(self, conn_id: str, call: Call[Any]) -> Any:  # noqa: ARG002
        self.sent.append(call)
        if self.is_down:
            raise Unreachable("The service does not answer")
        training_id = call.path.split("/")[3].partition("?")[0]
        found = next((one for one in self.known if one.id == training_id), None)
        if found is None:
            raise NotFound("There is nothing with this id")
        return found

    def list_trainings(self, conn_id: str, *, max_age: float = 0.0) -> tuple[Training, ...]:  # noqa: ARG002
        if self.is_down:
            raise Unreachable("The service does not answer")
        return tuple(self.known[: self.listed])


def tagged_training(
    ref: TaskInstanceRef,
    training_id: str,
    generation: str = "0" * 12,
    attempt: int = 0,
    *,
    form: int = 2,
    airflow: str = HERE,
) -> Training:
    made = a_training()
    names = (ref.dag_id, ref.run_id, ref.task_id, ref.map_index)
    if form == 2:
        tag = RunKey(task_digest(*names), generation, attempt, airflow_digest=airflow)
    else:
        tag = RunKey(task_digest_v1(*names), generation, attempt, version=1)
    model = made.entity.model_definition.model_copy(update={"description": str(tag)})
    entity = made.entity.model_copy(update={"model_definition": model})
    return made.model_copy(
        update={"entity": entity, "metadata": made.metadata.model_copy(update={"guid": training_id})}
    )


def airflow(**trainings: Any) -> FakeAirflow:
    """Make an Airflow whose tasks ``mine`` and ``theirs`` name trainings; ``anna`` may read ``mine`` only."""
    refs = {"mine": MINE, "theirs": THEIRS}
    xcoms = {
        (refs[name], TRAINING_XCOM_KEY): {"connection": "c", "key": "k", "id": training}
        for name, training in trainings.items()
    }
    return FakeAirflow(xcoms, {"anna": {"mine"}, "admin": {"mine", "theirs"}})


def find(
    there: FakeAirflow, service: Service, ref: TaskInstanceRef = MINE, wanted: str | None = None, user: str = "anna"
) -> Any:
    return asyncio.run(TrainingLookup(service_clients=service).find_for_task(there.api_of(user), ref, wanted))  # type: ignore[arg-type]


def test_find_returns_the_training_that_the_xcom_names_and_the_tag_confirms() -> None:
    found = find(airflow(mine="training-1"), Service([tagged_training(MINE, "training-1")]))
    assert (found.training.id, found.source, found.conn_id) == ("training-1", "service", "c")


def test_find_accepts_a_tag_of_version_1() -> None:
    found = find(airflow(mine="training-1"), Service([tagged_training(MINE, "training-1", form=1)]))
    assert found.training.id == "training-1"


def test_list_tries_finds_both_tag_versions_and_excludes_other_airflows() -> None:
    known = [
        tagged_training(MINE, "training-1", form=1),
        tagged_training(MINE, "training-2", attempt=1),
        tagged_training(MINE, "training-3", airflow=THERE),
        tagged_training(THEIRS, "training-4"),
    ]
    service = Service(known)
    there = airflow(mine="training-2")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = RunKey.from_description(
        known[1].entity.model_definition.description
    ).idempotency_key  # type: ignore[union-attr]
    found = find(there, service)
    tries, error = asyncio.run(TrainingLookup(service_clients=service).list_tries(found))  # type: ignore[arg-type]
    assert ({one.id for one in tries}, error) == ({"training-1", "training-2"}, None)


def test_training_of_another_airflow_with_the_same_task_name_is_not_found_and_not_listed() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(MINE, "training-3", airflow=THERE)]
    key = RunKey.from_description(known[0].entity.model_definition.description).idempotency_key  # type: ignore[union-attr]
    there = airflow(mine="training-1")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    with pytest.raises(TrainingNotFound, match="no training with this id"):
        find(there, Service(known), wanted="training-3")
    there = airflow(mine="training-3")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    finder = TrainingLookup(service_clients=Service(known))  # type: ignore[arg-type]
    listed = asyncio.run(finder.list_task_trainings(there.api_of("anna"), "mine", MINE.run_id, 10))  # type: ignore[arg-type]
    assert [row.state for row in listed.trainings] == [None]


def test_find_returns_an_earlier_try_by_its_id() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(MINE, "training-2", attempt=1)]
    found = find(airflow(mine="training-2"), Service(known), wanted="training-1")
    assert (found.training.id, found.current_id) == ("training-1", "training-2")


def test_find_refuses_a_training_of_another_dag_that_the_xcom_names() -> None:
    with pytest.raises(TrainingNotFound, match="no training with this id"):
        find(airflow(mine="training-9"), Service([tagged_training(THEIRS, "training-9")]))


def test_find_refuses_the_id_of_a_training_of_another_dag() -> None:
    known = [tagged_training(MINE, "training-1"), tagged_training(THEIRS, "training-9")]
    with pytest.raises(TrainingNotFound):
        find(airflow(mine="training-1"), Service(known), wanted="training-9")


def test_find_raises_airflow_s_403_and_sends_nothing_to_the_service() -> None:
    service = Service([tagged_training(THEIRS, "training-9")])
    with pytest.raises(AirflowApiError, match="Forbidden") as denied:
        find(airflow(theirs="training-9"), service, THEIRS)
    assert denied.value.status == 403
    assert service.sent == []


def test_find_raises_airflow_s_401_for_an_unknown_user() -> None:
    with pytest.raises(AirflowApiError) as denied:
        find(airflow(mine="training-1"), Service([]), user="stranger")
    assert denied.value.status == 401


def test_find_returns_the_training_of_the_same_run_for_a_sensor() -> None:
    there, sensor = airflow(mine="training-1"), TaskInstanceRef(MINE.dag_id, MINE.run_id, "wait")
    there.xcoms[sensor, TRAINING_XCOM_KEY] = {"connection": "c", "id": "training-1"}
    found = find(there, Service([tagged_training(MINE, "training-1")]), sensor)
    assert found.training.id == "training-1"


def test_find_returns_the_summary_where_the_service_does_not_know_the_training() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    found = find(there, Service([]))
    assert (found.training.id, found.source, found.is_unavailable) == ("training-1", "task", False)


def test_find_returns_the_summary_and_the_error_where_the_service_does_not_answer() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    found = find(there, Service([], is_down=True))
    assert (found.training.id, found.is_unavailable, found.service_error) == (
        "training-1",
        True,
        "The service does not answer",
    )


def test_list_contains_only_what_airflow_lists_for_the_user() -> None:
    there = airflow(mine="training-1", theirs="training-9")
    service = Service([tagged_training(MINE, "training-1"), tagged_training(THEIRS, "training-9")])
    finder = TrainingLookup(service_clients=service)  # type: ignore[arg-type]

    async def listed(user: str) -> list[str]:
        listing = await finder.list_task_trainings(there.api_of(user), "~", "~", 200)
        return sorted(row.id for row in listing.trainings)

    assert asyncio.run(listed("admin")) == ["training-1", "training-9"]
    # The cache has what the administrator read, and Anna still does not receive it.
    assert asyncio.run(listed("anna")) == ["training-1"]


def test_list_hides_a_training_of_another_dag_that_an_xcom_names() -> None:
    finder = TrainingLookup(service_clients=Service([tagged_training(THEIRS, "training-9")]))  # type: ignore[arg-type]
    listing = asyncio.run(finder.list_task_trainings(airflow(mine="training-9").api_of("anna"), "mine", "~", 200))
    assert [(row.id, row.name) for row in listing.trainings] == [(None, "")]


def test_list_reads_each_xcom_once() -> None:
    there = airflow(mine="training-1")
    finder = TrainingLookup(service_clients=Service([tagged_training(MINE, "training-1")]))  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(finder.list_task_trainings(there.api_of("anna"), "mine", "~", 200))
    assert there.read_keys.count(TRAINING_XCOM_KEY) == 1


def test_list_reads_each_summary_once() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(tagged_training(MINE, "training-1"), None, "c")
    finder = TrainingLookup(service_clients=Service([]))  # type: ignore[arg-type]
    for _ in range(3):
        listing = asyncio.run(finder.list_task_trainings(there.api_of("anna"), "mine", "~", 200))
        assert [row.id for row in listing.trainings] == ["training-1"]
    assert there.read_keys.count(SUMMARY_XCOM_KEY) == 1


def test_list_reports_a_service_that_does_not_answer() -> None:
    finder = TrainingLookup(service_clients=Service([], is_down=True))  # type: ignore[arg-type]
    listing = asyncio.run(finder.list_task_trainings(airflow(mine="training-1").api_of("anna"), "~", "~", 200))
    assert listing.service_errors == ["c: The service does not answer"]
    # Its state is unknown, which differs from not submitted.
    assert [(row.ref.task_id, row.id, row.state) for row in listing.trainings] == [("train", "training-1", None)]


def test_list_requests_a_training_that_the_service_did_not_list() -> None:
    service = Service([tagged_training(MINE, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow(mine="training-1").api_of("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [(one.id, one.source) for one in listing.trainings] == [("training-1", "service")]


def test_list_checks_the_tag_of_a_training_requested_by_itself() -> None:
    service = Service([tagged_training(THEIRS, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow(mine="training-1").api_of("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [one.id for one in listing.trainings] == [None]


def test_find_searches_all_tasks_of_the_run_for_a_sensor() -> None:
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train", 0)
    many = [TaskInstanceRef("mine", "r", "train", index) for index in range(1, 500)]
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, *many, first)}
    there = FakeAirflow(xcoms, {"anna": {"mine"}})
    found = find(there, Service([tagged_training(first, "training-1")]), sensor)
    assert found.training.id == "training-1"
    assert there.read_keys == [TRAINING_XCOM_KEY]  # the XComs of the other tasks are not read


def test_list_limits_the_number_of_single_requests() -> None:
    xcoms = {
        (TaskInstanceRef("mine", "r", "train", one), TRAINING_XCOM_KEY): {"connection": "c", "id": f"training-{one}"}
        for one in range(60)
    }
    service = Service([], listed=0)
    there = FakeAirflow(xcoms, {"anna": {"mine"}})
    asyncio.run(TrainingLookup(service_clients=service).list_task_trainings(there.api_of("anna"), "mine", "r", 200))  # type: ignore[arg-type]
    assert len(service.sent) == MAX_SINGLE_LOOKUPS


def test_require_accepts_a_cached_ownership_only_for_the_user_the_xcom_and_the_training_it_was_verified_for() -> None:
    now = [0.0]
    there, service = airflow(mine="training-1"), Service([tagged_training(MINE, "training-1")])
    lookup = TrainingLookup(service, clock=lambda: now[0])  # type: ignore[arg-type]

    def requests(user: str, training_id: str = "training-1") -> int:
        """Return how many requests to the service it takes to find its connection."""
        before = len(service.sent)
        found = asyncio.run(lookup.resolve_connection(there.api_of(user), MINE, training_id))
        assert found.conn_id == "c"
        return len(service.sent) - before

    assert [requests("anna"), requests("anna")] == [1, 0]
    assert [requests("admin"), requests("admin")] == [1, 0]
    now[0] = OWNERSHIP_TTL + 1
    assert requests("anna") == 1
    there.xcoms[MINE, TRAINING_XCOM_KEY] = {"connection": "c", "id": "training-2"}
    assert requests("anna") == 1
    with pytest.raises(TrainingNotFound):
        requests("anna", "training-9")


def test_cached_ownership_does_not_outlive_airflow_s_permission() -> None:
    there, service = airflow(mine="training-1"), Service([tagged_training(MINE, "training-1")])
    lookup = TrainingLookup(service)  # type: ignore[arg-type]
    asyncio.run(lookup.resolve_connection(there.api_of("anna"), MINE, "training-1"))
    there.readable["anna"] = set()
    with pytest.raises(AirflowApiError, match="Forbidden"):
        asyncio.run(lookup.resolve_connection(there.api_of("anna"), MINE, "training-1"))
    del there.readable["anna"]
    with pytest.raises(AirflowApiError) as denied:
        asyncio.run(lookup.resolve_connection(there.api_of("anna"), MINE, "training-1"))
    assert denied.value.status == 401


def test_cached_ownership_saves_a_sensor_s_search_for_the_task() -> None:
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train")
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, first)}
    there, service = FakeAirflow(xcoms, {"anna": {"mine"}}), Service([tagged_training(first, "training-1")])
    lookup = TrainingLookup(service)  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(lookup.find_for_task(there.api_of("anna"), sensor))
    assert there.lists == 1
