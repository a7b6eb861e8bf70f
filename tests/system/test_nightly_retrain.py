"""The example DAG, as it is: real digits, a real framework, a model that reads what it has never seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.demo.airflow_processes import RealAirflow

DAG = "nightly_retrain"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_nightly_dag_trains_a_model_that_reads_held_out_digits(airflow: RealAirflow, tmp_path: Path) -> None:
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"workspace": (tmp_path / "workspace").as_uri()})
    state = airflow.api.wait_for_run(DAG, run_id, timeout=900)
    logs = {view.task_id: airflow.api.log(DAG, run_id, view.task_id) for view in airflow.api.tasks(DAG, run_id)}
    assert state == "success", logs
    accuracy = airflow.api.xcom(DAG, run_id, "evaluate")
    print(f"accuracy on held-out digits: {accuracy:.3f}")
    assert accuracy >= 0.95
    assert any("oss" in line for line in logs["train_model"])
    model = airflow.api.xcom(DAG, run_id, "fetch_model")
    assert Path(model.removeprefix("file://"), "model.tflite").stat().st_size > 0


@pytest.mark.slow
def test_a_model_that_is_not_good_enough_fails_the_run(airflow: RealAirflow, tmp_path: Path) -> None:
    """Only the last task fails: the same model is evaluated again with a threshold nobody reaches."""
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    conf = {"workspace": (tmp_path / "workspace").as_uri(), "min_accuracy": 1.01}
    run_id = airflow.api.trigger(DAG, conf)
    assert airflow.api.wait_for_run(DAG, run_id, timeout=600) == "failed"
    states = {view.task_id: view.state for view in airflow.api.tasks(DAG, run_id)}
    assert {task for task, state in states.items() if state != "success"} == {"evaluate"}
    assert any("less than 1.01" in line for line in airflow.api.log(DAG, run_id, "evaluate"))
