"""Trainings that go on from their checkpoints, with both ways to wait. The id of the DAG run is a training's name."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.training import TrainModelOperator

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

PARAMS = {"command": Param("", type="string"), "location": Param("", type="string")}

for how, deferrable in (("here", False), ("deferred", True)):
    with DAG(f"resume_{how}", params=PARAMS, catchup=False):
        TrainModelOperator(
            task_id="train",
            definition=DEFINITION,
            definition_location="{{ params.location }}",
            recovery={"attempts": 2, "exit_codes": [75]},
            resume=True,
            deferrable=deferrable,
            retries=1,
            retry_delay=timedelta(seconds=1),
        )

    # Attempts and tries enough for whatever a test kills.
    with DAG(f"endure_{how}", params=PARAMS, catchup=False):
        TrainModelOperator(
            task_id="train",
            definition=DEFINITION,
            definition_location="{{ params.location }}",
            recovery={"attempts": 20, "exit_codes": [137]},
            resume=True,
            deferrable=deferrable,
            retries=10,
            retry_delay=timedelta(seconds=1),
        )
