"""
Tests of the example DAG, unchanged: real digits, a real framework, and a model that is evaluated on unseen digits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.demo.airflow_processes import RealAirflow

DAG = "nightly_retrain"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nightly_retrain_trains_an_accurate_model(airflow: RealAirflow, tmp_path: Path) -> None:
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"workspace": (tmp_path / "workspace").as_uri()})
    state = airflow.api.wait_for_run(DAG, run_id, timeout=900)
    logs = {task.task_id: airflow.api.log(DAG, run_id, task.task_id) for task in airflow.api.tasks(DAG, run_id)}
    assert state == "success", logs
    accuracy = airflow.api.xcom(DAG, run_id, "evaluate")
    print(f"accuracy on held-out digits: {accuracy:.3f}")
    assert accuracy >= 0.95
    assert any("oss" in line for line in logs["train_model"])
    model = airflow.api.xcom(DAG, run_id, "fetch_model")
    assert Path(model.removeprefix("file://"), "model.tflite").stat().st_size > 0


@pytest.mark.slow
def test_nightly_retrain_fails_for_a_model_below_the_threshold(airflow: RealAirflow, tmp_path: Path) -> None:
    """Only the last task fails: the same model is evaluated again, with a threshold that no model can reach."""
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    conf = {"workspace": (tmp_path / "workspace").as_uri(), "min_accuracy": 1.01}
    run_id = airflow.api.trigger(DAG, conf)
    assert airflow.api.wait_for_run(DAG, run_id, timeout=600) == "failed"
    states = {task.task_id: task.state for task in airflow.api.tasks(DAG, run_id)}
    assert {task for task, state in states.items() if state != "success"} == {"evaluate"}
    assert any("less than 1.01" in line for line in airflow.api.log(DAG, run_id, "evaluate"))
