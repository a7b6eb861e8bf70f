"""Results are marked before they are stored, and left out of the data of later trainings."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.exceptions import ContainerNotFound, StoreError, StoreUnreachable
from airflow_dlaas.service.learner.load_inputs import exclude_results
from airflow_dlaas.service.learner.marker import store_marker
from tests.memory_store import MemoryStore

ID = "training-aB3_-6789"


def test_a_marker_is_stored_beside_the_results_and_may_be_stored_again() -> None:
    store, said = MemoryStore(), list[str]()
    for _ in range(2):
        store_marker(store, "c", ID, said.append)
    (name,) = store.objects
    assert name == f"{ID}/.dlaas-training"
    assert json.loads(store.objects[name])["training_id"] == ID
    assert said == []


class Failing(MemoryStore):
    """Stores nothing, for the reason *error*."""

    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self.error = error

    def put(self, *_: object, **__: object) -> str:
        raise self.error


def test_a_store_that_takes_no_marker_costs_no_result() -> None:
    said: list[str] = []
    store_marker(Failing(StoreError("no such names here")), "c", ID, said.append)
    assert said == [f"The results are not marked as such, {ID}/.dlaas-training could not be stored: no such names here"]


@pytest.mark.parametrize("error", [StoreUnreachable("away"), ContainerNotFound("c")])
def test_trouble_that_concerns_every_result_is_raised(error: StoreError) -> None:
    with pytest.raises(type(error)):
        store_marker(Failing(error), "c", ID, lambda _: None)


def test_only_marked_folders_are_left_out_of_the_data_and_the_log_names_them() -> None:
    said: list[str] = []
    results = [f"{ID}/.dlaas-training", f"{ID}/model/x", "run+7/.dlaas-training"]
    data = ["a.csv", "training-set000001/b.csv", "training-set000001/learner-1/x"]
    assert exclude_results("c", [*data, *results], said.append) == results
    (line,) = said
    assert f"3 objects in 2 folders: {ID} (2), run+7 (1)." in line
    assert exclude_results("c", data, said.append) == []
    assert said == [line]


def test_of_many_folders_the_log_names_the_largest() -> None:
    said: list[str] = []
    exclude_results("c", [f"run-{number}/.dlaas-training" for number in range(30)], said.append)
    assert "30 objects in 30 folders: run-0 (1), " in said[0]
    assert " and 10 more. " in said[0]
