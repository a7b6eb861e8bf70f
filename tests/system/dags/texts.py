"""Texts that look like file names or numbers to Airflow."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.training import TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor

PARAMS = {
    "command": Param("", type="string"),
    "location": Param("", type="string"),
    "workspace": Param("/tmp", type="string"),
    "site": "default",
}


def train(task_id: str, command: str = "true", name: str = "{{ run_id }}", **options: Any) -> TrainModelOperator:
    """Return a task that trains with *command*."""
    definition = {
        "model_definition": {
            "name": name,
            "author": "{{ run_id }}",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": command, "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "holds", "type": "softlayer_objectstore"}},
        ],
    }
    return TrainModelOperator(
        task_id=task_id, definition=definition, definition_location="{{ params.location }}", **options
    )


for dag_id, native in {"texts": False, "texts_native": True}.items():
    with DAG(dag_id, params=PARAMS, catchup=False, render_template_as_native_obj=native):
        train("json_command", "echo --config params.json", deferrable=True)
        train("json_name", name="model.json")
        train("digits_name", name="20261129", deferrable=True)
        train("digits_template", name="{{ dag_run.run_after.strftime('%Y%m%d') }}", timeout="{{ 60 * 60 }}")
        package = PackageModelOperator(
            task_id="package", source="{{ params.workspace }}/code", destination="{{ params.workspace }}/2026.zip"
        )
        CreateExperimentOperator(
            task_id="experiment",
            name="7",
            bundle=package.output,
            framework={"name": "tensorflow", "version": "1.0"},
            dlaas_conn_id="dlaas_{{ params.site }}",
        )
        up = UploadDataOperator(
            task_id="upload",
            source="{{ params.workspace }}/code",
            container="2026",
            prefix="1.0",
            swift_conn_id="swift_{{ params.site }}",
        )
        sense = ObjectSensor(task_id="sense", container="2026", prefix="1.0", timeout=60, poke_interval=1)
        sensed = ObjectSensor(
            task_id="sense_deferred", container="2026", name="1.0/main.py", timeout=60, deferrable=True
        )
        down = DownloadDataOperator(
            task_id="download", destination="{{ params.workspace }}/down", container="2026", prefix="1.0"
        )
        up >> [sense, sensed, down] >> DeleteDataOperator(task_id="delete", container="2026", prefix="1.0")
