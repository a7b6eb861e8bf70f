"""
Train a classifier of handwritten digits every night, and fail if the accuracy of the model is too low.

The DAG needs two connections, ``dlaas_default`` (the training service) and ``swift_default`` (the object store), and on
the workers the packages of ``airflow-dlaas[examples]``. Tasks may run on different machines: they exchange URLs under
the parameter ``workspace``, a folder in an object store. A folder that all workers share (``file:///srv/work``) works
too.

This file and the folder ``code`` beside it are the whole example. They work in any folder of a DAG bundle.
"""

from __future__ import annotations

import gzip
import struct
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, ObjectStoragePath, Param, task
from airflow.timetables.trigger import CronTriggerTimetable  # in airflow.sdk only since Airflow 3.2

from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import CreateExperimentOperator, PackageModelOperator
from airflow_dlaas.operators.model import FetchModelOperator
from airflow_dlaas.operators.training import TrainModelOperator

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

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
    # Unpausing starts no run: the first one begins at the next 02:00. With a start_date, Airflow would start the run of
    # the last 02:00 at once; without one and with schedule="0 2 * * *" too, if that was less than 2.4 hours ago.
    schedule=CronTriggerTimetable("0 2 * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    # A retry of train_model finds the training that was submitted, and continues to wait for it.
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    params={
        "workspace": Param("swift://swift_default@digits-runs", type="string"),
        "min_accuracy": Param(0.95, type="number"),
    },
    doc_md=__doc__,
    tags=["dlaas", "example"],
):
    RUN_FOLDER = "{{ params.workspace }}/{{ run_id }}"

    @task
    def prepare_data(folder: str) -> str:
        """Write the digits as IDX files, the format of the MNIST set."""
        ObjectStoragePath(folder).mkdir(parents=True, exist_ok=True)
        for name, content in idx_files().items():
            (ObjectStoragePath(folder) / name).write_bytes(content)
        return folder

    @task(retries=0)  # a retry would evaluate the same model
    def evaluate(model: str, params: dict[str, float]) -> float:
        """Evaluate the model on digits that are not in the training data."""
        accuracy = held_out_accuracy((ObjectStoragePath(model) / "model.tflite").read_bytes())
        print(f"Accuracy on held-out digits: {accuracy:.3f}")
        if accuracy < params["min_accuracy"]:
            raise ValueError(f"The accuracy of the model is {accuracy:.3f}, less than {params['min_accuracy']}")
        return accuracy

    upload_data = UploadDataOperator(
        task_id="upload_data", source=prepare_data(f"{RUN_FOLDER}/data"), container="digits"
    )
    package_model = PackageModelOperator(task_id="package_model", source="code", destination=f"{RUN_FOLDER}/code.zip")
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


# -- the data: the 1,797 digits of scikit-learn, as 28×28 images in the format of MNIST -----------------------------

TRAINING_IMAGES = 1500
"""The first 1,500 digits are training data, each in nine positions (shifted by up to one pixel); the others are for
evaluation."""


def idx_files() -> dict[str, bytes]:
    """Return the four gzipped files of the data set, with the file names of MNIST."""
    import numpy as np

    images, labels = _digits()
    train, held_out = slice(None, TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    shifts = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    shifted = np.concatenate([np.roll(images[train], shift, axis=(1, 2)) for shift in shifts])
    return {
        "train-images-idx3-ubyte.gz": _idx(shifted),
        "train-labels-idx1-ubyte.gz": _idx(np.tile(labels[train], len(shifts))),
        "t10k-images-idx3-ubyte.gz": _idx(images[held_out]),
        "t10k-labels-idx1-ubyte.gz": _idx(labels[held_out]),
    }


def held_out_accuracy(model: bytes) -> float:
    """Return the fraction of the evaluation digits that *model*, a TFLite file, classifies correctly."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    images, labels = _digits()
    interpreter = Interpreter(model_content=model)
    input_index, output_index = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )
    interpreter.resize_tensor_input(input_index, (len(labels) - TRAINING_IMAGES, 28, 28, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(input_index, images[TRAINING_IMAGES:, :, :, None].astype(np.float32))
    interpreter.invoke()
    predicted = interpreter.get_tensor(output_index).argmax(axis=1)
    return float((predicted == labels[TRAINING_IMAGES:]).mean())


def _digits() -> tuple[NDArray[uint8], NDArray[uint8]]:
    """Return the images of all digits, scaled from 8×8 to 20×20 (bilinear) and centered in 28×28, and their labels."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    positions = np.clip((np.arange(20) + 0.5) * 8 / 20 - 0.5, 0, 7)
    low = np.minimum(positions.astype(int), 6)
    high = positions - low
    weights = np.zeros((20, 8))
    weights[np.arange(20), low] = 1 - high
    weights[np.arange(20), low + 1] += high
    large = weights @ (digits.images * 255 / 16) @ weights.T
    return np.pad(large.round().astype(np.uint8), ((0, 0), (4, 4), (4, 4))), digits.target.astype(np.uint8)


def _idx(array: NDArray[uint8]) -> bytes:
    """
    Return *array* in the IDX format, gzipped: two zero bytes, the type (8: unsigned bytes), the rank, the sizes, the
    data.
    """
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)
