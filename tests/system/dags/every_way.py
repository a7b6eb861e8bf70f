"""All operators and sensors for trainings, on a runtime without installation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import (
    CreateExperimentOperator,
    DeleteExperimentOperator,
    PackageModelOperator,
)
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import (
    CancelTrainingOperator,
    DeleteTrainingOperator,
    SubmitTrainingOperator,
    TrainModelOperator,
)
from airflow_dlaas.sensors.training import TrainingSensor

FRAMEWORK = {"name": "tensorflow", "version": "test"}
CODE = str(Path(__file__).parent / "code")


def definition(command: str, size: str = "small") -> dict[str, Any]:
    """Return a definition of a training that runs *command*."""
    return {
        "model_definition": {
            "name": "every-way",
            "framework": FRAMEWORK,
            "execution": {"command": command, "resourceType": size},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "system", "type": "softlayer_objectstore"}},
        ],
    }


with DAG("every_way", params={"workspace": Param("", type="string"), "steps": 3}, catchup=False):

    @task
    def prepare(folder: str) -> str:
        """Write a small data file."""
        Path(folder).mkdir(parents=True)
        (Path(folder) / "digits.txt").write_text("0123456789")
        return folder

    data = UploadDataOperator(task_id="upload", source=prepare("{{ params.workspace }}/data"), container="system")
    package = PackageModelOperator(task_id="package", source=CODE, destination="{{ params.workspace }}/code.zip")
    experiment = CreateExperimentOperator(
        task_id="create_experiment", name="every-way", bundle=package.output, framework=FRAMEWORK
    )
    location = experiment.output
    ready = [data, experiment]

    here = TrainModelOperator(
        task_id="wait_here", definition=definition("python3 train.py"), definition_location=location
    )
    deferred = TrainModelOperator(
        task_id="wait_deferred",
        definition=definition("python3 train.py"),
        definition_location=location,
        deferrable=True,
    )
    fails = TrainModelOperator(
        task_id="fails",
        definition=definition("python3 train.py --exit 3"),
        definition_location=location,
        deferrable=True,
    )
    overdue = TrainModelOperator(
        task_id="overdue",
        definition=definition("python3 train.py --steps 600"),
        definition_location=location,
        timeout=timedelta(seconds=8),
        deferrable=True,
    )
    submit = SubmitTrainingOperator(task_id="submit_file", definition="training_definition.json")
    sensors = [
        TrainingSensor(task_id="sense_here", training_id=submit.output),
        TrainingSensor(task_id="sense_deferred", training_id=submit.output, deferrable=True),
        TrainingSensor(task_id="sense_now_and_then", training_id=submit.output, mode="reschedule", poke_interval=2),
    ]
    endless = SubmitTrainingOperator(
        task_id="submit_endless",
        definition=definition("python3 train.py --steps 600"),
        definition_location=location,
    )
    cancel = CancelTrainingOperator(task_id="cancel", training_id=endless.output)
    fetch = FetchModelOperator(task_id="fetch", training_id=here.output, destination="{{ params.workspace }}/model")
    clean_up = [
        DeleteTrainingOperator(task_id="delete_training", training_id=deferred.output),
        DeleteExperimentOperator(task_id="delete_experiment", definition_location=location),
    ]

    ready >> here
    ready >> deferred
    ready >> fails
    ready >> overdue
    ready >> submit
    ready >> endless
    submit >> sensors
    endless >> cancel
    [here, fetch] >> clean_up[0]
    [here, deferred, submit, endless] >> clean_up[1]
