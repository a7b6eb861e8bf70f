"""A training of some seconds on a service that a test may kill."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.training import TrainModelOperator

CODE = Path(__file__).parent / "code"
FRAMEWORK = {"name": "tensorflow", "version": "test"}

with DAG("survives", params={"workspace": Param("", type="string"), "steps": 30}, catchup=False):
    upload = UploadDataOperator(task_id="upload", source=str(CODE), container="survives", swift_conn_id="swift_own")
    package = PackageModelOperator(task_id="package", source=str(CODE), destination="{{ params.workspace }}/code.zip")
    experiment = CreateExperimentOperator(
        task_id="create_experiment",
        name="survives",
        bundle=package.output,
        framework=FRAMEWORK,
        dlaas_conn_id="dlaas_own",
    )
    train = TrainModelOperator(
        task_id="train",
        definition={
            "model_definition": {
                "name": "survives",
                "framework": FRAMEWORK,
                "execution": {
                    "command": "python3 train.py --steps {{ params.steps }}",
                    "resourceType": "small",
                },
            },
            "training_data": [
                {
                    "connection": "swift_own",
                    "source": {"container": "survives", "type": "softlayer_objectstore"},
                },
            ],
        },
        definition_location=experiment.output,
        dlaas_conn_id="dlaas_own",
        deferrable=True,
    )
    upload >> train
