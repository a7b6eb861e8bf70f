"""
Train on data in S3, where it is, and store the model there; the store of the service itself is one.

The connection ``dlaas_s3`` is one of those that ``airflow-dlaas serve`` writes. With a connection to AWS, MinIO or Ceph
in its place, the same DAG reads and writes there; the site has to allow that store (``DLAAS_OBJECT_STORES``).

``training_data`` can have several sources, also in other stores and in mounted folders.
"""

from __future__ import annotations

import io
from datetime import timedelta

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import DataSource, ResultsContainer, TrainModelOperator
from airflow_dlaas.sensors.data import ObjectSensor

CONNECTION = "dlaas_s3"
BUCKET = "train-on-s3"
FRAMEWORK = {"name": "torch", "version": "2.13"}

TRAINING = {
    "model_definition": {
        "name": "train-on-s3",
        "framework": FRAMEWORK,
        "execution": {"command": "python3 train.py --epochs {{ params.epochs }}", "resourceType": "small"},
    },
}

with DAG(
    "train_on_s3",
    schedule=None,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={"epochs": Param(20, type="integer", minimum=1)},
    doc_md=__doc__,
    tags=["dlaas", "example"],
):
    RUN_FOLDER = f"s3://{CONNECTION}@{BUCKET}/{{{{ run_id }}}}"

    @task
    def prepare_data(folder: str) -> None:
        """Write the 1,797 digits of scikit-learn as one file of numpy; another program would do that in practice."""
        import numpy as np
        from sklearn.datasets import load_digits

        digits, content = load_digits(), io.BytesIO()
        np.savez_compressed(content, images=digits.images.astype(np.float32) / 16, labels=digits.target)
        ObjectStoragePath(folder).mkdir(parents=True, exist_ok=True)
        (ObjectStoragePath(folder) / "digits.npz").write_bytes(content.getvalue())

    wait_for_data = ObjectSensor(
        task_id="wait_for_data",
        container=BUCKET,
        name="{{ run_id }}/data/digits.npz",
        store_conn_id=CONNECTION,
        deferrable=True,
    )
    package_model = PackageModelOperator(task_id="package_model", source="code", destination=f"{RUN_FOLDER}/code.zip")
    create_experiment = CreateExperimentOperator(
        task_id="create_experiment", name="train-on-s3", bundle=package_model.output, framework=FRAMEWORK
    )
    train_model = TrainModelOperator(
        task_id="train_model",
        definition=TRAINING,
        definition_location=create_experiment.output,
        training_data=DataSource(BUCKET, CONNECTION, prefix="{{ run_id }}/data"),
        training_results=ResultsContainer(BUCKET, CONNECTION),
        timeout=timedelta(hours=1),
        deferrable=True,
    )
    fetch_model = FetchModelOperator(
        task_id="fetch_model",
        training_id=train_model.output,
        destination=f"{RUN_FOLDER}/model",
        store_conn_id=CONNECTION,
    )

    prepare_data(f"{RUN_FOLDER}/data")
    wait_for_data >> train_model
