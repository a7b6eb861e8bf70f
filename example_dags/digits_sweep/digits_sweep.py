"""
Train PyTorch on handwritten digits with six sets of hyperparameters, and fetch the most accurate model.

Besides ``dlaas_default`` and ``swift_default``, the DAG needs a connection ``model_signing``, whose password is the key
that the models are signed with. The trainings have packages of their own, and four GPUs each.
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
        "name": "digits-sweep",
        "framework": FRAMEWORK,
        "execution": {
            "command": "python3 train.py --epochs ${HP_epochs} --lr ${HP_lr} --width ${HP_width}",
            "resources": {"gpus": 4, "memory": "4GiB"},
            "hyperparameters": {"epochs": 15},
            "secrets": {"SIGNING_KEY": "conn:model_signing/password"},
        },
    },
    "training_data": [
        {"connection": "swift_default", "source": {"container": "digits-sweep", "type": "softlayer_objectstore"}},
    ],
}

with DAG(
    "digits_sweep",
    schedule=None,
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    params={"workspace": Param("swift://swift_default@digits-sweep-runs", type="string")},
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

    @task
    def best(trainings: list[str], metrics: list[dict[str, float]]) -> str:
        """Return the training with the highest accuracy on digits that it was not trained on."""
        results = zip(trainings, metrics, strict=True)
        return max(results, key=lambda one: one[1]["validation/accuracy"])[0]

    upload_data = UploadDataOperator(
        task_id="upload_data", source=prepare_data(f"{RUN_FOLDER}/data"), container="digits-sweep"
    )
    package_model = PackageModelOperator(
        task_id="package_model",
        source="code",
        destination=f"{RUN_FOLDER}/code.zip",
        requirements=["einops==0.8.1"],
    )
    create_experiment = CreateExperimentOperator(
        task_id="create_experiment", name="digits-sweep", bundle=package_model.output, framework=FRAMEWORK
    )
    train_model = TrainModelOperator.partial(
        task_id="train_model",
        definition=TRAINING,
        definition_location=create_experiment.output,
        time_limit=timedelta(hours=1),
        deferrable=True,
    ).expand(hyperparameters=[{"lr": lr, "width": width} for lr in (0.01, 0.003, 0.001) for width in (32, 128)])

    upload_data >> train_model
    FetchModelOperator(
        task_id="fetch_model",
        training_id=best(train_model.output, train_model.output["metrics"]),
        destination=f"{RUN_FOLDER}/model",
    )
