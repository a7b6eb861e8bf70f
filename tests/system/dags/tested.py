"""Every way to wait in the triggerer, for ``dag.test()``, ``airflow dags test`` and ``airflow tasks test``."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_dlaas.operators.training import SubmitTrainingOperator, TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor
from airflow_dlaas.sensors.training import TrainingSensor

COMMON_ARGUMENTS = {
    "definition": {
        "model_definition": {
            "name": "tested",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": "sleep 2", "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "tested", "type": "softlayer_objectstore"}},
        ],
    },
    "definition_location": os.environ.get("TESTED_LOCATION", "/v3/unknown"),
}

with DAG("tested", catchup=False) as dag:
    TrainModelOperator(task_id="train", deferrable=True, **COMMON_ARGUMENTS)
    submit = SubmitTrainingOperator(task_id="submit", **COMMON_ARGUMENTS)
    TrainingSensor(task_id="sense", training_id=submit.output, deferrable=True)
    sense_object = ObjectSensor(
        task_id="sense_object", container="tested", prefix="", deferrable=True, poke_interval=1, timeout=120
    )
    submit >> sense_object

if __name__ == "__main__":
    run = dag.test()
    raise SystemExit(0 if str(run.state) == "success" else 1)
