"""
Train on handwritten digits so that an interruption costs one epoch at most, also if the machine is restarted.

The training stores its state in ``$CHECKPOINT_DIR`` after each epoch, and continues from it when it finds it there. The
service stores each complete checkpoint in the results container while the training runs, and puts the newest one back:

- ``recovery``: the service starts the training again if its process was killed or its machine was restarted, up to
  three attempts. The task waits on, and Airflow counts no retry.
- ``resume=True``: if the training failed and Airflow retries the task, the new training continues where the failed one
  ended.

``code`` has the same training for Keras (``train_keras.py``, framework tensorflow 2.21) and for Lightning
(``train_lightning.py``, framework torch 2.13, with the requirement ``lightning``).
"""

from __future__ import annotations

import io
from datetime import timedelta

from airflow.sdk import DAG, ObjectStoragePath, Param, task

from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import TrainModelOperator

FRAMEWORK = {"name": "torch", "version": "2.13"}

TRAINING = {
    "model_definition": {
        "name": "resume-training",
        "framework": FRAMEWORK,
        "execution": {
            "command": "python3 train.py --epochs {{ params.epochs }}",
            "resourceType": "small",
        },
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "resume-training", "type": "softlayer_objectstore"}},
    ],
}

with DAG(
    "resume_training",
    schedule=None,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    params={
        "workspace": Param("swift://swift_default@resume-training-runs", type="string"),
        "epochs": Param(40, type="integer", minimum=1),
    },
    doc_md=__doc__,
    tags=["dlaas", "example"],
):
    RUN_FOLDER = "{{ params.workspace }}/{{ run_id }}"

    @task
    def prepare_data(folder: str) -> str:
        """Write the 1,797 digits of scikit-learn as one file of numpy."""
        import numpy as np
        from sklearn.datasets import load_digits

        digits, content = load_digits(), io.BytesIO()
        np.savez_compressed(content, images=digits.images.astype(np.float32) / 16, labels=digits.target)
        ObjectStoragePath(folder).mkdir(parents=True, exist_ok=True)
        (ObjectStoragePath(folder) / "digits.npz").write_bytes(content.getvalue())
        return folder

    upload_data = UploadDataOperator(
        task_id="upload_data", source=prepare_data(f"{RUN_FOLDER}/data"), container="resume-training"
    )
    package_model = PackageModelOperator(task_id="package_model", source="code", destination=f"{RUN_FOLDER}/code.zip")
    create_experiment = CreateExperimentOperator(
        task_id="create_experiment", name="resume-training", bundle=package_model.output, framework=FRAMEWORK
    )
    train_model = TrainModelOperator(
        task_id="train_model",
        definition=TRAINING,
        definition_location=create_experiment.output,
        recovery={"attempts": 3},
        resume=True,
        timeout=timedelta(hours=1),
        deferrable=True,
    )
    fetch_model = FetchModelOperator(
        task_id="fetch_model", training_id=train_model.output, destination=f"{RUN_FOLDER}/model"
    )

    upload_data >> train_model
