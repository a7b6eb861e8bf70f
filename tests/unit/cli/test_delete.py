"""Which objects `delete --results` removes from the container of the results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dlaas.cli.delete import delete_training
from airflow_dlaas.client.calls import Call
from airflow_dlaas.exceptions import Conflict
from tests.memory_store import MemoryStore
from tests.unit.cli.trainings import training_document

ID = "training-AbC_12-xY"
CHECKPOINT = {
    "attempt": 1,
    "number": 3,
    "stored_at": "2026-03-01T12:00:00.000Z",
    "files": 1,
    "bytes": 1,
}
STORED = {f"{ID}/.dlaas-checkpoints/1/content/0-1": b"1", f"{ID}/attempt-2/model/w": b"2", f"{ID}/model/w": b"3"}
OTHER = {"data": b"4", f"{ID}x/model/w": b"5"}
STORE = {"connection": {"auth_url": "http://s", "userId": "u", "password": "p"}}


class Service:
    """A client of a service with one training."""

    def __init__(self, *, entity: dict[str, Any] | None = None, **status: Any) -> None:
        self.document = training_document(ID, **status)
        source = {"container": "c", "type": "softlayer_objectstore"}
        self.document["entity"] |= {"training_data": [{**STORE, "source": source}], **(entity or {})}
        self.deleted = False

    def send(self, call: Call[Any]) -> Any:
        assert not self.deleted
        if call.method == "DELETE":
            self.deleted = True
            return None
        return call.parse(json.dumps(self.document).encode())


def results_at(location: str) -> dict[str, Any]:
    return {"training_results": {"location": {"container": "c", "model_location": location}}}


@pytest.mark.parametrize(
    "service",
    [
        Service(entity=results_at(ID)),
        Service(entity=results_at(f"{ID}/attempt-2"), attempt=2),
        Service(state="error", checkpoint=CHECKPOINT, attempt=1),
        Service(state="canceled", attempt=2),
        Service(
            state="canceled",
            attempt=2,
            entity={"training_results": {**STORE, "target": {"container": "c", "type": "softlayer_objectstore"}}},
        ),
    ],
)
def test_all_attempts_and_checkpoints_are_deleted_before_the_training(service: Any) -> None:
    store = MemoryStore(**STORED, **OTHER)
    assert delete_training(service, store, ID) == f"{ID} is deleted, and {len(STORED)} objects of its results"
    assert store.objects == OTHER
    assert service.deleted


@pytest.mark.parametrize(
    "service",
    [
        Service(state="canceled"),
        Service(state="canceled", attempt=1),
        Service(state="error", checkpoint=CHECKPOINT, entity={"training_data": []}),
    ],
)
def test_training_without_results_and_without_a_known_checkpoint_deletes_no_objects(service: Any) -> None:
    store = MemoryStore(**OTHER)
    assert delete_training(service, store, ID) == f"{ID} is deleted, and 0 objects of its results"
    assert store.objects == OTHER


def test_training_that_is_between_two_attempts_is_not_deleted() -> None:
    service: Any = Service(state="running", phase="recovering", attempt=2)
    store = MemoryStore(**STORED)
    with pytest.raises(Conflict):
        delete_training(service, store, ID)
    assert (store.objects, service.deleted) == (STORED, False)
