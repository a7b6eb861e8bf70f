"""The training definition: the document of the page, read strictly."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.exceptions import InvalidDefinition

SECRET = "s3cr3t-key"


def with_metric(regex: str, *, name: str = "x", times: int = 1) -> dict[str, Any]:
    return changed("metric_definitions", to=[{"name": name, "regex": regex}] * times)


PAGE: dict[str, Any] = {
    "model_definition": {
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "name": "tf-mnist",
        "author": "Ann Other",
        "description": "Simple MNIST model implemented in TF",
        "definition_location": "https://ml.example.net/v3/ml_assets/experiments/c7e148f1/versions/8cd6a2fc",
        "execution": {
            "command": "python3 convolutional_network.py --learningRate 0.001 --trainingIters 20000",
            "resourceType": "small",
        },
    },
    "training_data": [
        {
            "connection": {"auth_url": "https://store.example.net/auth/v1.0", "userId": "A:b", "password": SECRET},
            "source": {"container": "tf_training_data", "type": "softlayer_objectstore"},
        }
    ],
}


def changed(*path: str | int, to: Any = None, drop: bool = False) -> dict[str, Any]:
    document = copy.deepcopy(PAGE)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    if drop:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return document


def test_example_of_the_page_is_read_and_written_with_the_same_keys() -> None:
    definition = TrainingDefinition.parse(PAGE)
    assert definition.model_dump(mode="json", exclude_none=True, context=REVEAL_SECRETS) == PAGE


def test_dump_and_repr_hide_secrets() -> None:
    definition = TrainingDefinition.parse(PAGE)
    assert SECRET not in definition.model_dump_json() + repr(definition) + str(definition)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (changed("model_definition", "comand", to="x"), "model_definition.comand: is not a key"),
        (changed("model_definition", "framework", drop=True), "model_definition.framework: is missing"),
        (changed("training_data", drop=True), "training_data: is missing"),
        (changed("training_data", to={}), "training_data: must be a list"),
        (changed("model_definition", "framework", "name", to=" jax"), "framework.name: must be printable"),
        (changed("model_definition", "execution", "resourceType", to="huge"), "resourceType: must be small (1 GPU)"),
        (changed("training_data", 0, "source", "type", to="nfs"), "training_data[0].source.type: must be one of"),
        (changed("training_data", 0, "source", "container", to="a/b"), "container: must be the name of a container"),
        (changed("training_data", 0, "source", "container", to=""), "container: must be the name of a container"),
        (changed("training_data", 0, "source", "container", to=".."), "it means a folder in itself"),
        (changed("training_data", 0, "source", "container", to="ü" * 129), "it is 258 bytes long, more than 256"),
        (changed("training_data", 0, "source", "container", to="\udcff"), "it is not UTF-8"),
        (changed("training_data", 0, "connection", "auth_url", to="ftp://x"), "auth_url: must be an http"),
        (changed("training_data", 0, "connection", "userId", drop=True), "userId is missing"),
        (changed("model_definition", "execution", "command", to="  "), "command: must not be blank"),
        (
            changed("metric_definitions", to=[{"name": "x", "regex": "x=("}]),
            "metric_definitions[0].regex: is not a regular",
        ),
        (
            changed("metric_definitions", to=[{"name": "x", "regex": "x"}]),
            "metric_definitions[0].regex: must have a group",
        ),
        (with_metric("x=("), "metric_definitions[0].regex: is not a regular"),
        (with_metric("x"), "metric_definitions[0].regex: must have a group"),
        (with_metric(r"(?P<step>\d)"), "metric_definitions[0].regex: must have a group"),
        (with_metric("(" * 499 + "x"), "metric_definitions[0].regex: is not a regular"),
        (with_metric("(x{99999999999})"), "metric_definitions[0].regex: is not a regular"),
        (with_metric("(" + "x" * 499 + ")"), "metric_definitions[0].regex: "),
        (with_metric("(x)", name=" x"), "metric_definitions[0].name: must be printable"),
        (with_metric("(x)", times=2), "metric_definitions: must name each"),
        (with_metric("(x)", times=65), "metric_definitions: must be at most 64"),
        ([], "(the whole): "),
        ("text", "(the whole): "),
    ],
)
def test_message_names_the_invalid_field(document: Any, message: str) -> None:
    with pytest.raises(InvalidDefinition) as raised:
        TrainingDefinition.parse(document)
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)


def test_all_problems_are_reported_together() -> None:
    document = changed("model_definition", "name", drop=True)
    document["extra"] = 1
    with pytest.raises(InvalidDefinition) as raised:
        TrainingDefinition.parse(document)
    assert len(raised.value.problems) == 2


def test_message_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidDefinition) as raised:
        TrainingDefinition.parse(changed("training_data", 0, "connection", to=json.dumps(SECRET)))
    assert SECRET not in str(raised.value)


def test_results_go_to_the_first_container_of_data_without_a_target() -> None:
    assert TrainingDefinition.parse(PAGE).results_store.target.container == "tf_training_data"


@pytest.mark.parametrize("missing", ["project_id", "region", "domain_name"])
def test_connection_is_keystone_only_with_all_of_its_fields(missing: str) -> None:
    store = {
        "auth_url": "https://id.example.net/v3",
        "userId": "u",
        "password": "p",
        "project_id": "1",
        "region": "dallas",
        "domain_name": "d",
    }
    read = TrainingDefinition.parse(changed("training_data", 0, "connection", to=store))
    assert read.training_data[0].connection.is_keystone
    del store[missing]
    read = TrainingDefinition.parse(changed("training_data", 0, "connection", to=store))
    assert not read.training_data[0].connection.is_keystone
