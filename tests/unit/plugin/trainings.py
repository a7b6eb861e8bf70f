"""Trainings with the tags of tasks, a fake service that has them, and a fake Airflow whose tasks name them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_dlaas.client.calls import Call
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import NotFound, Unreachable
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY, RunKey, task_digest, task_digest_v1
from tests.builders import a_training
from tests.unit.plugin.airflow import FakeAirflow

HERE, THERE = "a" * 16, "b" * 16
"""Digests of two Airflows in the tags of trainings."""

MINE = TaskInstanceRef("mine", "run+1 ü", "train")
THEIRS = TaskInstanceRef("theirs", "r", "train")


@dataclass
class FakeService:
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
    number: int = 0,
    *,
    form: int = 2,
    airflow: str = HERE,
) -> Training:
    made = a_training()
    names = (ref.dag_id, ref.run_id, ref.task_id, ref.map_index)
    if form == 2:
        tag = RunKey(task_digest(*names), generation, number, airflow_digest=airflow)
    else:
        tag = RunKey(task_digest_v1(*names), generation, number, version=1)
    model = made.entity.model_definition.model_copy(update={"description": str(tag)})
    entity = made.entity.model_copy(update={"model_definition": model})
    return made.model_copy(
        update={"entity": entity, "metadata": made.metadata.model_copy(update={"guid": training_id})}
    )


def airflow_with(**trainings: Any) -> FakeAirflow:
    """Make an Airflow whose tasks ``mine`` and ``theirs`` name trainings; ``anna`` may read ``mine`` only."""
    refs = {"mine": MINE, "theirs": THEIRS}
    xcoms = {
        (refs[name], TRAINING_XCOM_KEY): {"connection": "c", "key": "k", "id": training}
        for name, training in trainings.items()
    }
    return FakeAirflow(xcoms, {"anna": {"mine"}, "admin": {"mine", "theirs"}})
