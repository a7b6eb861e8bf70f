"""Trainings as runs in MLflow, against MLflow's own store."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dlaas.contract.curves import Curves, Series
from airflow_dlaas.integrations.mlflow import TRAINING_ID_TAG, log_to_mlflow
from tests.builders import a_training

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's store uses deprecated functions of SQLAlchemy

TIMES = {"running_at": "2026-11-23T02:00:10.000Z", "finished_at": "2026-11-23T02:01:00.000Z"}

CURVES = Curves(
    version="1",
    series=(
        Series(name="loss (%)", phase="train", total=2, points=((1.0, 0.5, 1.0), (2.0, math.nan, 2.0))),
        Series(name="diverged", total=1, points=((1.0, math.inf, 1.0),)),
        Series(name="accuracy", total=1, points=((7.0, 0.5, 1.0),), progress=True),
        Series(name="accuracy", total=2500, points=tuple((float(one), 0.25, 1.0) for one in range(2500))),
    ),
)


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")
        from mlflow.tracking import MlflowClient

        yield MlflowClient()


logger = logging.getLogger(__name__)


def log_training(mlflow: Any, experiment: str, **status: Any) -> list[Any]:
    """Log a training; return all runs of the experiment."""
    log_to_mlflow(
        a_training(**TIMES, **status), CURVES, experiment=experiment, tags={"airflow.dag_id": "d"}, logger=logger
    )
    return mlflow.search_runs([mlflow.get_experiment_by_name(experiment).experiment_id])


def test_a_training_is_one_run_with_its_curves_its_times_and_its_final_state(mlflow: Any) -> None:
    [run] = log_training(mlflow, "one")
    assert run.info.status == "FINISHED"
    assert (run.info.end_time - run.info.start_time) == 50_000
    assert run.data.tags[TRAINING_ID_TAG] == "training-AbC_12-xY"
    assert run.data.tags["airflow.dag_id"] == "d"
    assert len(mlflow.get_metric_history(run.info.run_id, "accuracy")) == 2500
    first, last = mlflow.get_metric_history(run.info.run_id, "train/loss ___")
    assert (first.step, first.value, first.timestamp) == (1, 0.5, 1000)
    assert math.isnan(last.value)
    [diverged] = mlflow.get_metric_history(run.info.run_id, "diverged")
    assert diverged.value > 1e300  # MLflow's database has no infinity


@pytest.mark.parametrize(("state", "word"), [("error", "FAILED"), ("canceled", "KILLED")])
def test_a_failed_or_canceled_training_is_a_failed_or_killed_run(mlflow: Any, state: str, word: str) -> None:
    [run] = log_training(mlflow, state, state=state)
    assert run.info.status == word


def test_a_second_try_of_a_task_adds_no_second_run(mlflow: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=__name__)
    log_training(mlflow, "twice")
    caplog.clear()
    assert len(log_training(mlflow, "twice")) == 1
    assert "already" in caplog.text


def test_an_incomplete_run_is_replaced(mlflow: Any) -> None:
    experiment = mlflow.create_experiment("half")
    half = mlflow.create_run(experiment, tags={TRAINING_ID_TAG: "training-AbC_12-xY"})
    [run] = log_training(mlflow, "half")
    assert run.info.run_id != half.info.run_id
    assert run.info.status == "FINISHED"


def test_an_error_of_mlflow_is_a_warning_and_fails_no_task(mlflow: Any, caplog: pytest.LogCaptureFixture) -> None:
    mlflow.delete_experiment(mlflow.create_experiment("gone"))  # its name can't be used again
    log_to_mlflow(a_training(**TIMES), CURVES, experiment="gone", tags={}, logger=logger)
    [record] = [one for one in caplog.records if one.name == __name__]
    assert record.levelno == logging.WARNING
    assert "is not logged in MLflow" in record.getMessage()
