from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import NotFound, Unreachable
from airflow_dlaas.plugin.airflow_api_client import AirflowApiError
from airflow_dlaas.plugin.lookup import MAX_SINGLE_LOOKUPS, TrainingLookup
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, task_digest, task_digest_v1
from airflow_dlaas.task_runs.summary import SUMMARY_XCOM_KEY, summarize_training
from tests.builders import a_training
from tests.unit.plugin.airflow import SmallAirflow

HERE, THERE = "a" * 16, "b" * 16
"""Two Airflows, as their trainings are tagged."""

MINE = TaskInstanceRef("mine", "run+1 ü", "train")
THEIRS = TaskInstanceRef("theirs", "r", "train")


@dataclass
class Service:
    """A service that knows *trainings*; with *away*, nobody can ask it."""

    known: list[Training]
    away: bool = False
    listed: int = 300
    sent: list[Call[Any]] = field(default_factory=list)

    def send(self, conn_id: str, call: Call[Any]) -> Any:  # noqa: ARG002
        self.sent.append(call)
        if self.away:
            raise Unreachable("The service is away")
        wanted = call.path.rsplit("/", 1)[-1]
        found = next((one for one in self.known if one.id == wanted), None)
        if found is None:
            raise NotFound("There is nothing with this id")
        return found

    def list_trainings(self, conn_id: str, *, max_age: float = 0.0) -> tuple[Training, ...]:  # noqa: ARG002
        if self.away:
            raise Unreachable("The service is away")
        return tuple(self.known[: self.listed])


def training_of(
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


def airflow(**marks: Any) -> SmallAirflow:
    """Tasks ``mine`` and ``theirs`` with the trainings they say they are about; ``anna`` may read ``mine`` only."""
    refs = {"mine": MINE, "theirs": THEIRS}
    xcoms = {
        (refs[name], TRAINING_XCOM_KEY): {"connection": "c", "key": "k", "id": training}
        for name, training in marks.items()
    }
    return SmallAirflow(xcoms, {"anna": {"mine"}, "boss": {"mine", "theirs"}})


def find(
    there: SmallAirflow, service: Service, ref: TaskInstanceRef = MINE, wanted: str | None = None, user: str = "anna"
) -> Any:
    return asyncio.run(TrainingLookup(service_clients=service).find_for_task(there.seen_by(user), ref, wanted))  # type: ignore[arg-type]


def test_a_task_s_training_is_found_by_what_the_task_says_and_the_training_confirms() -> None:
    found = find(airflow(mine="training-1"), Service([training_of(MINE, "training-1")]))
    assert (found.training.id, found.source, found.conn_id) == ("training-1", "service", "c")


def test_a_training_submitted_before_the_tag_had_its_second_form_is_found() -> None:
    found = find(airflow(mine="training-1"), Service([training_of(MINE, "training-1", form=1)]))
    assert found.training.id == "training-1"


def test_tries_are_those_of_both_forms_and_of_no_other_airflow_with_a_task_of_the_same_name() -> None:
    known = [
        training_of(MINE, "training-1", form=1),
        training_of(MINE, "training-2", attempt=1),
        training_of(MINE, "training-3", airflow=THERE),
        training_of(THEIRS, "training-4"),
    ]
    service = Service(known)
    there = airflow(mine="training-2")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = RunKey.from_description(
        known[1].entity.model_definition.description
    ).idempotency_key  # type: ignore[union-attr]
    found = find(there, service)
    tries, trouble = asyncio.run(TrainingLookup(service_clients=service).list_tries(found))  # type: ignore[arg-type]
    assert ({one.id for one in tries}, trouble) == ({"training-1", "training-2"}, None)


def test_a_training_of_another_airflow_with_a_task_of_the_same_name_is_neither_shown_nor_listed() -> None:
    known = [training_of(MINE, "training-1"), training_of(MINE, "training-3", airflow=THERE)]
    key = RunKey.from_description(known[0].entity.model_definition.description).idempotency_key  # type: ignore[union-attr]
    there = airflow(mine="training-1")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    with pytest.raises(AirflowApiError, match="no training with this id"):
        find(there, Service(known), wanted="training-3")
    there = airflow(mine="training-3")
    there.xcoms[MINE, TRAINING_XCOM_KEY]["key"] = key
    finder = TrainingLookup(service_clients=Service(known))  # type: ignore[arg-type]
    listed = asyncio.run(finder.list_task_trainings(there.seen_by("anna"), "mine", MINE.run_id, 10))  # type: ignore[arg-type]
    assert [row["state"] for row in listed["trainings"]] == [None]


def test_an_earlier_try_of_the_same_task_may_be_asked_for() -> None:
    known = [training_of(MINE, "training-1"), training_of(MINE, "training-2", attempt=1)]
    found = find(airflow(mine="training-2"), Service(known), wanted="training-1")
    assert (found.training.id, found.current_id) == ("training-1", "training-2")


def test_whoever_writes_another_dag_s_training_into_an_xcom_is_not_shown_it() -> None:
    with pytest.raises(AirflowApiError, match="no training with this id") as denied:
        find(airflow(mine="training-9"), Service([training_of(THEIRS, "training-9")]))
    assert denied.value.status == 404


def test_a_training_of_another_dag_can_not_be_asked_for_by_its_id() -> None:
    known = [training_of(MINE, "training-1"), training_of(THEIRS, "training-9")]
    with pytest.raises(AirflowApiError):
        find(airflow(mine="training-1"), Service(known), wanted="training-9")


def test_who_may_not_read_the_dag_gets_airflow_s_refusal_and_no_service_is_asked() -> None:
    service = Service([training_of(THEIRS, "training-9")])
    with pytest.raises(AirflowApiError, match="Forbidden") as denied:
        find(airflow(theirs="training-9"), service, THEIRS)
    assert denied.value.status == 403
    assert service.sent == []


def test_who_is_nobody_is_refused() -> None:
    with pytest.raises(AirflowApiError) as denied:
        find(airflow(mine="training-1"), Service([]), user="nobody")
    assert denied.value.status == 401


def test_a_task_that_waits_for_a_training_of_the_same_run_shows_it() -> None:
    there, sensor = airflow(mine="training-1"), TaskInstanceRef(MINE.dag_id, MINE.run_id, "wait")
    there.xcoms[sensor, TRAINING_XCOM_KEY] = {"connection": "c", "id": "training-1"}
    found = find(there, Service([training_of(MINE, "training-1")]), sensor)
    assert found.training.id == "training-1"


def test_what_the_task_has_kept_is_shown_when_the_service_has_forgotten_it() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(training_of(MINE, "training-1"), None, "c")
    found = find(there, Service([]))
    assert (found.training.id, found.source, found.is_unavailable) == ("training-1", "task", False)


def test_a_service_that_is_away_is_told_as_such_beside_what_the_task_has_kept() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(training_of(MINE, "training-1"), None, "c")
    found = find(there, Service([], away=True))
    assert (found.training.id, found.is_unavailable, found.service_error) == ("training-1", True, "The service is away")


def test_a_listing_holds_what_airflow_lists_for_this_user_and_no_more() -> None:
    there = airflow(mine="training-1", theirs="training-9")
    service = Service([training_of(MINE, "training-1"), training_of(THEIRS, "training-9")])
    finder = TrainingLookup(service_clients=service)  # type: ignore[arg-type]

    async def listed(user: str) -> list[str]:
        listing = await finder.list_task_trainings(there.seen_by(user), "~", "~", 200)
        return sorted(row["id"] for row in listing["trainings"])

    assert asyncio.run(listed("boss")) == ["training-1", "training-9"]
    # What was read for the boss is remembered, and still not shown to Anna.
    assert asyncio.run(listed("anna")) == ["training-1"]


def test_a_listing_shows_no_training_of_another_dag_whatever_is_written_into_an_xcom() -> None:
    finder = TrainingLookup(service_clients=Service([training_of(THEIRS, "training-9")]))  # type: ignore[arg-type]
    listing = asyncio.run(finder.list_task_trainings(airflow(mine="training-9").seen_by("anna"), "mine", "~", 200))
    assert [(row["id"], row["name"]) for row in listing["trainings"]] == [(None, "")]


def test_a_listing_reads_each_mark_once() -> None:
    there = airflow(mine="training-1")
    finder = TrainingLookup(service_clients=Service([training_of(MINE, "training-1")]))  # type: ignore[arg-type]
    for _ in range(3):
        asyncio.run(finder.list_task_trainings(there.seen_by("anna"), "mine", "~", 200))
    assert there.asked.count(TRAINING_XCOM_KEY) == 1


def test_what_tasks_have_kept_is_read_once_for_all_listings() -> None:
    there = airflow(mine="training-1")
    there.xcoms[MINE, SUMMARY_XCOM_KEY] = summarize_training(training_of(MINE, "training-1"), None, "c")
    finder = TrainingLookup(service_clients=Service([]))  # type: ignore[arg-type]
    for _ in range(3):
        listing = asyncio.run(finder.list_task_trainings(there.seen_by("anna"), "mine", "~", 200))
        assert [row["id"] for row in listing["trainings"]] == ["training-1"]
    assert there.asked.count(SUMMARY_XCOM_KEY) == 1


def test_a_listing_survives_a_service_that_is_away() -> None:
    finder = TrainingLookup(service_clients=Service([], away=True))  # type: ignore[arg-type]
    listing = asyncio.run(finder.list_task_trainings(airflow(mine="training-1").seen_by("anna"), "~", "~", 200))
    assert listing["trouble"] == ["c: The service is away"]
    # It is not heard of, which is something else than not submitted.
    assert [(row["ref"]["task_id"], row["id"], row["state"]) for row in listing["trainings"]] == [
        ("train", "training-1", None)
    ]


def test_a_training_that_runs_and_is_older_than_what_the_service_lists_is_asked_for_by_itself() -> None:
    service = Service([training_of(MINE, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow(mine="training-1").seen_by("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [(one["id"], one["source"]) for one in listing["trainings"]] == [("training-1", "service")]


def test_one_that_is_asked_for_by_itself_must_be_of_the_task_too() -> None:
    service = Service([training_of(THEIRS, "training-1")], listed=0)
    listing = asyncio.run(
        TrainingLookup(service_clients=service).list_task_trainings(
            airflow(mine="training-1").seen_by("anna"), "~", "~", 9
        )
    )  # type: ignore[arg-type]
    assert [one["id"] for one in listing["trainings"]] == [None]


def test_a_sensor_in_a_run_of_many_tasks_shows_what_it_waits_for() -> None:
    sensor = TaskInstanceRef("mine", "r", "wait")
    first = TaskInstanceRef("mine", "r", "train", 0)
    many = [TaskInstanceRef("mine", "r", "train", index) for index in range(1, 500)]
    xcoms = {(ref, TRAINING_XCOM_KEY): {"connection": "c", "id": "training-1"} for ref in (sensor, *many, first)}
    there = SmallAirflow(xcoms, {"anna": {"mine"}})
    found = find(there, Service([training_of(first, "training-1")]), sensor)
    assert found.training.id == "training-1"
    assert there.asked == [TRAINING_XCOM_KEY]  # the others' words are not read for that


def test_of_many_that_nobody_lists_only_a_few_are_asked_for_one_by_one() -> None:
    xcoms = {
        (TaskInstanceRef("mine", "r", "train", one), TRAINING_XCOM_KEY): {"connection": "c", "id": f"training-{one}"}
        for one in range(60)
    }
    service = Service([], listed=0)
    there = SmallAirflow(xcoms, {"anna": {"mine"}})
    asyncio.run(TrainingLookup(service_clients=service).list_task_trainings(there.seen_by("anna"), "mine", "r", 200))  # type: ignore[arg-type]
    assert len(service.sent) == MAX_SINGLE_LOOKUPS
