"""Tests that the known parameters of mapped tasks are checked while the DAG is parsed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_dlaas.exceptions import InvalidArgument, InvalidDefinition
from airflow_dlaas.operators.data import DeleteDataOperator, UploadDataOperator
from airflow_dlaas.operators.training import TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor

GOOD: dict[str, Any] = {
    "model_definition": {
        "name": "{{ dag.dag_id }}",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "python3 train.py", "resourceType": "small"},
    },
    "training_data": [{"connection": "c", "source": {"container": "d", "type": "softlayer_objectstore"}}],
}
TYPO = copy.deepcopy(GOOD)
TYPO["model_definition"]["authr"] = "me"
WITH_LOCATION = copy.deepcopy(GOOD)
WITH_LOCATION["model_definition"]["definition_location"] = "/v3/x"


def train(**given: Any) -> Any:
    return TrainModelOperator.partial(task_id="train", **given)


def delete(**given: Any) -> Any:
    return DeleteDataOperator.partial(task_id="clean", **given)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a definition that all share": (lambda: train(definition=TYPO), "authr: is not a key"),
    "one that is mapped over": (
        lambda: train(definition_location="l").expand(definition=[GOOD, TYPO]),
        r"definition\[1\]: model_definition.authr: is not a key",
    ),
    "one in a set": (
        lambda: train(definition_location="l").expand_kwargs([{"definition": GOOD}, {"definition": TYPO}]),
        "set 1: model_definition.authr: is not a key",
    ),
    "a missing location": (
        lambda: train(definition_location=None).expand(definition=[WITH_LOCATION, GOOD]),
        r"definition\[1\]: .*definition_location: is missing",
    ),
    "metrics": (
        lambda: train(definition_location="l", definition=GOOD).expand(
            metric_definitions=[[{"name": "a", "regex": "(a)"}], [{"name": "a", "regex": "a"}]]
        ),
        r"metric_definitions\[1\]: .*must have a group",
    ),
    "a parameter that all share": (lambda: train(timeout=0), "^train: timeout must be more than 0"),
    "a parameter that is mapped over": (
        lambda: delete(prefix="p").expand(container=["a", ""]),
        r"^clean: container .*\(mapped: container\[1\]\)",
    ),
    "two that do not fit": (
        lambda: delete(container="c", names=None, everything=False).expand(prefix=["p", ""]),
        r"^clean: prefix is empty.*\(mapped: prefix\[1\]\)",
    ),
    "one of a sensor": (
        lambda: ObjectSensor.partial(task_id="wait", container="c").expand_kwargs([{"name": "n", "prefix": "p"}]),
        r"^wait: name means one object.*\(mapped: set 0\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_mapped_operator_refuses_a_wrong_known_value(case: str) -> None:
    make, message = WRONG[case]
    with DAG("d"), pytest.raises((InvalidArgument, InvalidDefinition), match=message):
        make()


def test_mapped_operator_accepts_a_value_that_is_not_known_yet() -> None:
    with DAG("d"):
        before = BaseOperator(task_id="before").output
        train(definition=GOOD, timeout="{{ params.t }}").expand(definition_location=["/v3/a", "{{ params.b }}"])
        TrainModelOperator.partial(task_id="b", definition_location=before).expand(definition=before)
        TrainModelOperator.partial(task_id="e").expand_kwargs(before)
        UploadDataOperator.partial(task_id="c", container="{{ params.c }}").expand(source=[Path("/a"), before])
        # The default_args of the DAG may contain the missing parameter.
        DeleteDataOperator.partial(task_id="f", container="c").expand(swift_conn_id=["a", "b"])


def test_mapped_task_checks_its_values_when_it_is_unmapped() -> None:
    with DAG("d"):
        mapped = train(definition=GOOD, definition_location="l").expand(timeout=BaseOperator(task_id="a").output)
    operator = mapped.unmap({"timeout": 90})
    assert operator.timeout.total_seconds() == 90
    with pytest.raises(InvalidArgument, match=r"^train: timeout must be more than 0\b"):
        mapped.unmap({"timeout": 0})


def test_mapped_operator_stays_a_mapped_operator_of_airflow() -> None:
    with DAG("d") as dag:
        mapped = train(definition=GOOD, retries=2).expand(definition_location=["/v3/a", "/v3/b"])
    assert dag.get_task("train") is mapped
    assert mapped.operator_class is TrainModelOperator
    assert mapped.retries == 2
