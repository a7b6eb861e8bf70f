"""Trainings that run until a test ends them, with all ways to wait. The id of the DAG run is a training's name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.training import TrainingSensor

DEFINITION = {
    "model_definition": {
        "name": "{{ run_id }}",
        "framework": {"name": "tensorflow", "version": "test"},
        "execution": {"command": "{{ params.command }}", "resourceType": "small"},
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "holds", "type": "softlayer_objectstore"}},
    ],
}
COMMON_ARGUMENTS: dict[str, Any] = {
    "definition": DEFINITION,
    "definition_location": "{{ params.location }}",
    "retries": 3,
    "retry_delay": timedelta(seconds=1),
}
SHORT_TIMEOUT = timedelta(seconds=25)
"""The time within which a task has submitted its training, on a machine with high load."""

PARAMS = {"command": Param("", type="string"), "location": Param("", type="string")}

with DAG("hold_here", params=PARAMS, catchup=False):
    TrainModelOperator(task_id="train", deferrable=False, **COMMON_ARGUMENTS)

with DAG("hold_deferred", params=PARAMS, catchup=False):
    TrainModelOperator(task_id="train", deferrable=True, **COMMON_ARGUMENTS)

with DAG("hold_here_briefly", params=PARAMS, catchup=False):
    TrainModelOperator(
        task_id="train", deferrable=False, execution_timeout=SHORT_TIMEOUT, **(COMMON_ARGUMENTS | {"retries": 0})
    )

with DAG("hold_deferred_briefly", params=PARAMS, catchup=False):
    TrainModelOperator(
        task_id="train", deferrable=True, execution_timeout=SHORT_TIMEOUT, **(COMMON_ARGUMENTS | {"retries": 0})
    )

with DAG("hold_sensed", params=PARAMS, catchup=False):
    submit = SubmitTrainingOperator(task_id="train", **COMMON_ARGUMENTS)
    TrainingSensor(task_id="sense", training_id=submit.output, deferrable=True)
