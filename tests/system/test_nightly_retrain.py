"""
Tests of the example DAG with a folder as its workspace, and with a model that is not good enough.

`test_first_hour` runs the same example with its defaults, to a model that is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.demo.airflow_processes import RealAirflow

DAG = "nightly_retrain"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nightly_retrain_fails_for_a_model_below_the_threshold(airflow: RealAirflow, tmp_path: Path) -> None:
    """Only the last task fails, and without a retry, which would evaluate the same model again."""
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    conf = {"workspace": (tmp_path / "workspace").as_uri(), "min_accuracy": 1.01}
    run_id = airflow.api.trigger(DAG, conf)
    state = airflow.api.wait_for_run(DAG, run_id, timeout=900)
    logs = {task.task_id: airflow.api.log(DAG, run_id, task.task_id) for task in airflow.api.tasks(DAG, run_id)}
    assert state == "failed", logs
    tasks = {task.task_id: task for task in airflow.api.tasks(DAG, run_id)}
    assert {task for task in tasks if tasks[task].state != "success"} == {"evaluate"}, logs
    assert tasks["evaluate"].try_number == 1
    assert any("less than 1.01" in line for line in logs["evaluate"])
    assert any("oss" in line for line in logs["train_model"])
    model = airflow.api.xcom(DAG, run_id, "fetch_model")
    assert Path(model.removeprefix("file://"), "model.tflite").stat().st_size > 0
