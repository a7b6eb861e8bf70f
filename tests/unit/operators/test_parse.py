"""Tests of the checks of training operators while the DAG is parsed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_dlaas.exceptions import InvalidDefinition
from airflow_dlaas.operators.experiment import CreateExperimentOperator
from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.training import TrainingSensor

DEFINITION: dict[str, Any] = {
    "model_definition": {
        "name": "{{ dag.dag_id }}",
        "framework": {"name": "tensorflow", "version": "2.21"},
        "execution": {"command": "python3 train.py {{ params.flags }}", "resourceType": "small"},
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "c", "type": "softlayer_objectstore"}},
    ],
}


@pytest.mark.parametrize("operator", [SubmitTrainingOperator, TrainModelOperator])
def test_unknown_key_in_a_definition_is_refused_by_its_name(operator: type[SubmitTrainingOperator]) -> None:
    definition = copy.deepcopy(DEFINITION)
    definition["model_definition"]["execution"]["resourcetype"] = "small"
    with pytest.raises(InvalidDefinition, match=r"execution\.resourcetype: is not a key"):
        operator(task_id="train", definition=definition, definition_location="later")


@pytest.mark.parametrize("operator", [SubmitTrainingOperator, TrainModelOperator])
def test_metric_expression_without_a_group_is_refused(operator: type[SubmitTrainingOperator]) -> None:
    wrong = [{"name": "loss", "regex": "loss"}]
    with pytest.raises(InvalidDefinition, match=r"metric_definitions\[0\]\.regex: must have a group"):
        operator(task_id="train", definition=DEFINITION, definition_location="later", metric_definitions=wrong)


def test_training_operators_accept_results_of_other_tasks() -> None:
    with DAG("d"):
        experiment = CreateExperimentOperator(
            task_id="experiment", name="n", bundle="b", framework=DEFINITION["model_definition"]["framework"]
        )
        train = TrainModelOperator(task_id="train", definition=DEFINITION, definition_location=experiment.output)
        wait = TrainingSensor(task_id="wait", training_id=train.output)
    assert train.upstream_task_ids == {"experiment"}
    assert wait.upstream_task_ids == {"train"}


def test_definition_file_may_be_missing_at_parse() -> None:
    operator = SubmitTrainingOperator(task_id="submit", definition="not/there/yet.json")
    assert operator.definition.endswith(".json")
    assert ".json" in operator.template_ext
