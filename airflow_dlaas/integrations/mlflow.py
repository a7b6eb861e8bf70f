"""
Log an ended training as a run in MLflow.

MLflow reads its server and its login from its own environment variables, such as ``MLFLOW_TRACKING_URI``, on the
workers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_dlaas.contract.curves import metric_label, series_of_final_values
from airflow_dlaas.contract.hyperparameter_values import format_hyperparameter
from airflow_dlaas.contract.hyperparameters import shown_hyperparameters
from airflow_dlaas.exceptions import NotConfigured

if TYPE_CHECKING:
    from datetime import datetime

    from mlflow.tracking import MlflowClient

    from airflow_dlaas._util.task_logger import TaskLogger
    from airflow_dlaas.contract.curves import Curves
    from airflow_dlaas.contract.training import Training

T = TypeVar("T")

TRAINING_ID_TAG = "dlaas.training_id"
"""The tag of a run with the id of its training, by which the run is found."""

MAX_LOGGED_POINTS = 1000
"""Maximum number of points of a curve that are logged. The service leaves out points so that spikes remain."""

RUN_STATUSES = {"completed": "FINISHED", "error": "FAILED", "canceled": "KILLED"}
"""The final states of a training, and MLflow's names for them."""

_MAX_BATCH_SIZE = 1000  # metrics that MLflow accepts in one request
_MAX_PARAMS = 100  # parameters that it accepts in one request
_INVALID_NAME_CHARS = re.compile(r"[^\w./ :-]", re.ASCII)
_URL_CREDENTIALS = re.compile(r"(?<=://)\S*@")


def require_mlflow() -> None:
    """
    Check that MLflow is installed, before a training starts that must be logged there.

    :raises NotConfigured: it is not installed.
    """
    if find_spec("mlflow") is None:
        raise NotConfigured(
            "mlflow_experiment needs MLflow on the workers: pip install 'airflow-dlaas[mlflow]', or leave it out"
        )


def log_to_mlflow(
    training: Training, curves: Curves | None, *, experiment: str, tags: Mapping[str, str], logger: TaskLogger
) -> None:
    """
    Log *training* as one run of *experiment*, which is created if it does not exist; a complete run stays as it is.

    An incomplete run, which a killed process has left, is deleted and logged again. An error of MLflow is logged at
    WARNING and not raised: the model exists, so the task must not train again.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    try:
        experiment_id = _get_or_create_experiment(client, experiment)
        for run in client.search_runs([experiment_id], f"tags.`{TRAINING_ID_TAG}` = '{training.id}'"):
            if run.info.status in RUN_STATUSES.values():
                logger.info("MLflow already has training %s as run %s", training.id, run.info.run_id)
                return
            client.delete_run(run.info.run_id)
        run_id = _create_run(client, experiment_id, training, curves, tags)
        logger.info("Training %s is logged in MLflow as run %s", training.id, run_id)
    except MlflowException as error:
        # MLflow's messages contain its server's URL, which may have a user and a password.
        logger.warning("Training %s is not logged in MLflow: %s", training.id, _URL_CREDENTIALS.sub("***@", str(error)))


def _get_or_create_experiment(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    known = client.get_experiment_by_name(name)
    if known is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException:  # another task was faster; if not, the request below raises the cause
            known = client.get_experiment_by_name(name)
            if known is None:
                raise
    return str(known.experiment_id)


def _create_run(
    client: MlflowClient, experiment_id: str, training: Training, curves: Curves | None, tags: Mapping[str, str]
) -> str:
    from mlflow.entities import Param

    model, status = training.entity.model_definition, training.status
    run = client.create_run(
        experiment_id,
        start_time=_epoch_milliseconds(status.running_at or status.submitted_at),
        tags={
            **tags,
            TRAINING_ID_TAG: training.id,
            "dlaas.framework": str(model.framework),
            "dlaas.state": str(status.state),
        },
        run_name=model.name,
    )
    run_id = str(run.info.run_id)
    values = {
        _sanitize_name(name): format_hyperparameter(value)
        for name, value in shown_hyperparameters(model.execution).items()
    }
    for params in _batches((Param(name, value) for name, value in values.items()), _MAX_PARAMS):
        client.log_batch(run_id, params=params)
    for batch in _batches(_iter_metrics(training, curves), _MAX_BATCH_SIZE):
        client.log_batch(run_id, metrics=batch)
    ended = _epoch_milliseconds(status.finished_at or status.current_at)
    client.set_terminated(run_id, RUN_STATUSES[str(status.state)], end_time=ended)
    return run_id


def _iter_metrics(training: Training, curves: Curves | None) -> Iterator[Any]:
    from mlflow.entities import Metric

    if curves is not None and curves.series:
        for series in series_of_final_values(curves.series):  # MLflow has one history for each name
            name = _sanitize_name(metric_label(series.phase, series.name))
            for step, value, moment in series.points:
                yield Metric(name, value, round(moment * 1000), int(step))
        return
    for metric in training.status.metrics:
        for one in metric.values:
            name = _sanitize_name(metric_label(metric.phase, one.name))
            yield Metric(name, one.value, _epoch_milliseconds(metric.timestamp), metric.iteration)


def _sanitize_name(name: str) -> str:
    """Return *name* in the characters that MLflow accepts."""
    return _INVALID_NAME_CHARS.sub("_", name)


def _epoch_milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
