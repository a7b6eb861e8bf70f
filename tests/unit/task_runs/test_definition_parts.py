"""An operator's parameters beside its definition: which value the service gets."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from airflow_dlaas.task_runs.definition import require_valid_definition
from airflow_dlaas.task_runs.definition_parts import with_parts
from tests.parameters import DEFINITION


def merged(execution: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Merge *parts* into a definition with *execution*; return the execution that results."""
    document = copy.deepcopy(DEFINITION)
    document["model_definition"]["execution"] |= execution
    before = copy.deepcopy(document)
    found = with_parts(document, parts)
    assert document == before  # a definition may be shared by many operators
    require_valid_definition(found, has_location=True)
    return dict(found["model_definition"]["execution"])


@pytest.mark.parametrize("key", ["hyperparameters", "environment"])
def test_operator_has_priority_by_name(key: str) -> None:
    found = merged({key: {"a": "1", "b": "2", "c": "3"}}, **{key: {"b": "two", "c": None, "d": "4"}})
    assert found[key] == {"a": "1", "b": "two", "d": "4"}


def test_parts_that_are_not_given_change_nothing() -> None:
    assert with_parts(DEFINITION, {"hyperparameters": None, "time_limit": None}) is DEFINITION


def test_resources_replace_the_size_and_the_resources_of_the_definition() -> None:
    assert "resourceType" not in merged({}, training_resources={"gpus": 4})
    found = merged({"resourceType": None, "resources": {"gpus": 1, "cpus": 2}}, training_resources={"gpus": 4})
    assert found["resources"] == {"gpus": 4}


@pytest.mark.parametrize("limit", [timedelta(hours=1), 3600])
def test_time_limit_becomes_seconds(limit: object) -> None:
    assert merged({"time_limit": 5}, time_limit=limit)["time_limit"] == 3600


@pytest.mark.parametrize("grace", [timedelta(minutes=2), 120])
def test_grace_becomes_seconds(grace: object) -> None:
    assert merged({"grace": 5}, grace=grace)["grace"] == 120


def test_recovery_and_the_resumed_training_replace_those_of_the_definition() -> None:
    document = {**DEFINITION, "recovery": {"attempts": 9, "exit_codes": [1]}, "resume_from": "training-1"}
    parts = {"recovery": {"attempts": 2}, "resume_from": "training-2"}
    found = with_parts(document, parts)
    assert {name: found[name] for name in parts} == parts
    require_valid_definition(found, has_location=True)


def test_metric_definitions_replace_those_of_the_definition() -> None:
    definitions = [{"name": "x", "regex": "(a)"}]
    found = with_parts({**DEFINITION, "metric_definitions": [{"name": "y"}]}, {"metric_definitions": definitions})
    assert found["metric_definitions"] == definitions


@pytest.mark.parametrize("wrong", [[1], "x", 7])
def test_wrong_part_of_the_definition_stays_for_its_validation(wrong: object) -> None:
    execution = {**DEFINITION["model_definition"]["execution"], "hyperparameters": wrong}
    document = {**DEFINITION, "model_definition": {**DEFINITION["model_definition"], "execution": execution}}
    found = with_parts(document, {"hyperparameters": {"lr": 1}})
    assert found["model_definition"]["execution"]["hyperparameters"] == wrong
    for broken in ({}, {"model_definition": wrong}, {"model_definition": {"execution": wrong}}):
        assert with_parts(broken, {"hyperparameters": {"lr": 1}}) == broken


def test_hyperparameter_of_another_task_is_valid_before_it_is_known() -> None:
    merged({"hyperparameters": {"lr": BaseOperator(task_id="other").output, "name": "{{ ds }}"}})
