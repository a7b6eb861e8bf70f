"""A training as a run in MLflow: against MLflow's own store."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dlaas.contract.curves import Curves, Series
from airflow_dlaas.integrations.mlflow import TRAINING_ID_TAG, log_to_mlflow
from tests.builders import a_training

pytestmark = pytest.mark.filterwarnings("ignore")  # its store uses what its SQLAlchemy calls outdated

TIMES = {"running_at": "2026-11-23T02:00:10.000Z", "finished_at": "2026-11-23T02:01:00.000Z"}

CURVES = Curves(
    version="1",
    series=(
        Series(name="loss (%)", phase="train", total=2, points=((1.0, 0.5, 1.0), (2.0, math.nan, 2.0))),
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


def logged(mlflow: Any, experiment: str, **given: Any) -> tuple[list[Any], list[str]]:
    said: list[str] = []
    training = given.pop("training", None) or a_training(**TIMES, **given)
    log_to_mlflow(training, CURVES, experiment=experiment, tags={"airflow.dag_id": "d"}, say=said.append)
    known = mlflow.get_experiment_by_name(experiment)
    return mlflow.search_runs([known.experiment_id]), said


def test_a_training_is_one_run_with_its_curves_its_times_and_its_ending(mlflow: Any) -> None:
    [run], _ = logged(mlflow, "one")
    assert run.info.status == "FINISHED"
    assert (run.info.end_time - run.info.start_time) == 50_000
    assert run.data.tags[TRAINING_ID_TAG] == "training-AbC_12-xY"
    assert run.data.tags["airflow.dag_id"] == "d"
    assert len(mlflow.get_metric_history(run.info.run_id, "accuracy")) == 2500
    first, last = mlflow.get_metric_history(run.info.run_id, "train/loss ___")
    assert (first.step, first.value, first.timestamp) == (1, 0.5, 1000)
    assert math.isnan(last.value)


@pytest.mark.parametrize(("state", "word"), [("error", "FAILED"), ("canceled", "KILLED")])
def test_an_ending_that_was_not_well_is_told_as_one(mlflow: Any, state: str, word: str) -> None:
    [run], _ = logged(mlflow, state, state=state)
    assert run.info.status == word


def test_a_task_that_is_tried_again_logs_nothing_twice(mlflow: Any) -> None:
    logged(mlflow, "twice")
    runs, [said] = logged(mlflow, "twice")
    assert len(runs) == 1
    assert "already" in said


def test_what_was_left_half_logged_is_logged_anew(mlflow: Any) -> None:
    experiment = mlflow.create_experiment("half")
    half = mlflow.create_run(experiment, tags={TRAINING_ID_TAG: "training-AbC_12-xY"})
    [run], _ = logged(mlflow, "half")
    assert run.info.run_id != half.info.run_id
    assert run.info.status == "FINISHED"


def test_mlflow_s_refusal_is_said_and_fails_nothing(mlflow: Any) -> None:
    mlflow.delete_experiment(mlflow.create_experiment("gone"))  # its name can't be used again
    said: list[str] = []
    log_to_mlflow(a_training(**TIMES), CURVES, experiment="gone", tags={}, say=said.append)
    assert "is not logged in MLflow" in said[0]
