"""Results are marked before they are stored, and excluded from the data of later trainings."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_dlaas.contract.stores import DataContainerRef, StoreType
from airflow_dlaas.exceptions import ContainerNotFound, StoreError, StoreUnreachable
from airflow_dlaas.service.learner.data_listing import list_source
from airflow_dlaas.service.learner.marker import store_marker
from tests.memory_store import MemoryStore

ID = "training-aB3_-6789"


def test_marker_can_be_stored_twice(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    for _ in range(2):
        store_marker(store, "c", ID, logger)
    (name,) = store.objects
    assert name == f"{ID}/.dlaas-training"
    assert json.loads(store.objects[name])["training_id"] == ID
    assert caplog.messages == []


class Failing(MemoryStore):
    """Refuses every object with *error*."""

    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self.error = error

    def put(self, *_: object, **__: object) -> str:
        raise self.error


def test_refused_marker_is_logged_and_does_not_raise(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    store_marker(Failing(StoreError("no such names here")), "c", ID, logger)
    assert caplog.messages[0] == (
        f"The marker {ID}/.dlaas-training could not be stored (no such names here); later trainings may load "
        "these results as data"
    )


@pytest.mark.parametrize("error", [StoreUnreachable("away"), ContainerNotFound("c")])
def test_errors_that_concern_every_result_are_raised(error: StoreError) -> None:
    with pytest.raises(type(error)):
        store_marker(Failing(error), "c", ID, logging.getLogger("test"))


SOURCE = DataContainerRef(container="c", type=StoreType.SOFTLAYER)


def test_only_marked_folders_are_excluded_and_logged(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    results = [f"{ID}/.dlaas-training", f"{ID}/model/x", "run+7/.dlaas-training"]
    data = ["a.csv", "training-set000001/b.csv", "training-set000001/learner-1/x"]
    store = MemoryStore(**dict.fromkeys([*data, *results], b""))
    assert [one.name for one in list_source(store, SOURCE, logger).objects] == data
    (line,) = caplog.messages
    assert f"3 objects in 2 folders: {ID} (2), run+7 (1)." in line
    list_source(MemoryStore(**dict.fromkeys(data, b"")), SOURCE, logger)
    assert caplog.messages == [line]


def test_log_names_the_largest_of_many_excluded_folders(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"run-{number}/.dlaas-training" for number in range(30)]
    list_source(MemoryStore(**dict.fromkeys([*names, "run-7/model"], b"")), SOURCE, logger)
    assert "31 objects in 30 folders: run-7 (2), run-0 (1), " in caplog.messages[0]
    assert " and 10 more. " in caplog.messages[0]
