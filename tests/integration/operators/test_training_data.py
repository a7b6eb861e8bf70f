"""Trainings with data and results in S3, in several stores and without data, submitted by tasks to the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.hooks.object_store import ObjectStoreHook
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import DataSource, Mount, ResultsContainer, TrainModelOperator
from airflow_dlaas.task_runs import first_event, wait_for_training
from tests.conftest import ServiceProcess
from tests.integration.operators.conftest import FRAMEWORK, FakeTaskInstance, deferral, fire, recreate_trigger
from tests.stored import read_tree

COPY_DATA = "mkdir -p $RESULT_DIR/model && cp -rL $DATA_DIR/. $RESULT_DIR/model"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)
    monkeypatch.setattr(first_event, "FIRST_EVENT_DELAY", 0.0)


@pytest.fixture
def lake(service: ServiceProcess, service_proxy: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection to the API for S3 of the service's own store: it has the same containers as ``swift_default``."""
    known = service.connections()["swift_default"]
    endpoint = known["host"].partition("/auth")[0]
    fields = {
        "conn_type": "aws",
        "login": known["login"],
        "password": known["password"],
        "extra": {"endpoint_url": endpoint, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(fields))
    return "lake"


@pytest.fixture
def bucket(lake: str) -> str:
    """A bucket with three objects."""
    name = f"digits-{uuid4().hex[:8]}"
    with ObjectStoreHook(lake) as hook:
        hook.create_container(name)
        for one, content in {"day/a.csv": b"1", "day/deep/b.csv": b"22", "day/notes.md": b"333"}.items():
            hook.put_object(name, one, content)
    return name


def task(location: str, **given: Any) -> TrainModelOperator:
    definition = {
        "model_definition": {
            "name": "endings",
            "framework": FRAMEWORK,
            "execution": {"command": COPY_DATA, "resourceType": "small"},
        },
    }
    return TrainModelOperator(task_id="train", definition=definition, definition_location=location, **given)


def fetched(training_id: str, folder: Path, conn_id: str) -> dict[str, bytes]:
    FetchModelOperator(
        task_id="fetch", training_id=training_id, destination=str(folder), store_conn_id=conn_id
    ).execute({})
    return read_tree(folder)


@pytest.mark.parametrize("deferrable", [False, True])
def test_data_and_results_in_s3(
    location: str, lake: str, bucket: str, task_instance: FakeTaskInstance, tmp_path: Path, deferrable: bool
) -> None:
    source = DataSource(bucket, lake, prefix="day", exclude="*.md")
    operator = task(location, training_data=source, deferrable=deferrable)
    if deferrable:
        trigger = recreate_trigger(deferral(operator, task_instance.context()))
        training_id = operator.execute_complete(task_instance.context(), fire(trigger))
    else:
        training_id = operator.execute(task_instance.context())
    assert fetched(training_id, tmp_path / "model", lake) == {"a.csv": b"1", "deep/b.csv": b"22"}
    assert fetched(training_id, tmp_path / "again", "swift_default") == {"a.csv": b"1", "deep/b.csv": b"22"}


def test_results_in_another_store_than_the_data(
    location: str, lake: str, bucket: str, task_instance: FakeTaskInstance, tmp_path: Path
) -> None:
    with ObjectStoreHook("swift_default") as hook:
        hook.create_container(f"{bucket}-results")
    operator = task(
        location,
        training_data=[DataSource(bucket, lake, prefix="day", include=["a.csv"])],
        training_results=ResultsContainer(f"{bucket}-results", "swift_default"),
    )
    training_id = operator.execute(task_instance.context())
    assert fetched(training_id, tmp_path / "model", "swift_default") == {"a.csv": b"1"}


def test_training_without_data(location: str, lake: str, bucket: str, task_instance: FakeTaskInstance) -> None:
    operator = task(location, training_data=[], training_results=ResultsContainer(bucket, lake))
    assert operator.execute(task_instance.context())


@pytest.mark.usefixtures("lake")
def test_folder_outside_of_the_roots_of_the_site_is_refused(
    location: str, bucket: str, task_instance: FakeTaskInstance, tmp_path: Path
) -> None:
    operator = task(location, training_data=Mount(tmp_path), training_results=ResultsContainer(bucket, "lake"))
    with pytest.raises(InvalidRequest, match=r"training_data\[0\]\.source\.path: .* is not below a folder that"):
        operator.execute(task_instance.context())
