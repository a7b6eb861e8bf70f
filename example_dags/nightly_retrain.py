"""
Train a classifier of handwritten digits every night, and fail if the accuracy of the model is too low.

The DAG needs two connections: ``dlaas_default`` (the training service) and ``swift_default`` (the object store). Tasks
exchange URLs under the parameter ``workspace``: a folder that all workers share, or a bucket.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import TrainModelOperator

FRAMEWORK = {"name": "tensorflow", "version": "2.21"}

TRAINING = {
    "model_definition": {
        "name": "digits",
        "description": "Handwritten digits, retrained every night",
        "author": "Ann Other",
        "framework": FRAMEWORK,
        "execution": {
            "command": "python3 convolutional_network.py"
            " --trainImagesFile ${DATA_DIR}/train-images-idx3-ubyte.gz"
            " --trainLabelsFile ${DATA_DIR}/train-labels-idx1-ubyte.gz"
            " --testImagesFile ${DATA_DIR}/t10k-images-idx3-ubyte.gz"
            " --testLabelsFile ${DATA_DIR}/t10k-labels-idx1-ubyte.gz"
            " --learningRate 0.001 --trainingIters 20000",
            "resourceType": "small",
        },
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "digits", "type": "softlayer_objectstore"}},
    ],
}

with DAG(
    "nightly_retrain",
    schedule="0 2 * * *",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    params={
        "workspace": Param("file:///tmp/nightly_retrain", type="string"),
        "min_accuracy": Param(0.95, type="number"),
    },
    doc_md=__doc__,
    tags=["dlaas", "example"],
):
    RUN_FOLDER = "{{ params.workspace }}/{{ run_id }}"

    @task
    def prepare_data(folder: str) -> str:
        """Write the digits as IDX files, the format of the MNIST set."""
        from digits import idx_files

        ObjectStoragePath(folder).mkdir(parents=True, exist_ok=True)
        for name, content in idx_files().items():
            (ObjectStoragePath(folder) / name).write_bytes(content)
        return folder

    @task
    def evaluate(model: str, params: dict[str, float]) -> float:
        """Evaluate the model on digits that are not in the training data."""
        from digits import held_out_accuracy

        accuracy = held_out_accuracy((ObjectStoragePath(model) / "model.tflite").read_bytes())
        print(f"Accuracy on held-out digits: {accuracy:.3f}")
        if accuracy < params["min_accuracy"]:
            raise ValueError(f"The accuracy of the model is {accuracy:.3f}, less than {params['min_accuracy']}")
        return accuracy

    upload_data = UploadDataOperator(
        task_id="upload_data", source=prepare_data(f"{RUN_FOLDER}/data"), container="digits"
    )
    package_model = PackageModelOperator(
        task_id="package_model", source=str(Path(__file__).parent / "code"), destination=f"{RUN_FOLDER}/code.zip"
    )
    create_experiment = CreateExperimentOperator(
        task_id="create_experiment", name="digits", bundle=package_model.output, framework=FRAMEWORK
    )
    train_model = TrainModelOperator(
        task_id="train_model",
        definition=TRAINING,
        definition_location=create_experiment.output,
        timeout=timedelta(hours=2),
        deferrable=True,
    )
    fetch_model = FetchModelOperator(
        task_id="fetch_model", training_id=train_model.output, destination=f"{RUN_FOLDER}/model"
    )

    upload_data >> train_model
    evaluate(fetch_model.output)
