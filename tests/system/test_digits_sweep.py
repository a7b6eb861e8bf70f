"""The example of a sweep: packages of its own, four GPUs for each training, a secret, six sets of hyperparameters."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess

DAG = "digits_sweep"

KEY = "a-key-that-signs-models"

SETS = [{"lr": lr, "width": width} for lr in (0.01, 0.003, 0.001) for width in (32, 128)]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_digits_sweep_fetches_the_best_of_six_signed_models(
    airflow: RealAirflow, live_service: ServiceProcess, tmp_path: Path
) -> None:
    """There is one upload and one experiment; the key is in no log and in no rendered template."""
    airflow.api.put_connection("model_signing", {"conn_type": "generic", "password": KEY})
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"workspace": (tmp_path / "workspace").as_uri()})
    state = airflow.api.wait_for_run(DAG, run_id, timeout=900)
    tasks = airflow.api.tasks(DAG, run_id)
    assert state == "success", {
        (one.task_id, one.map_index): airflow.api.log(DAG, run_id, one.task_id, map_index=one.map_index)[-30:]
        for one in tasks
        if one.state != "success"
    }

    def xcoms(key: str) -> list[Any]:
        return [airflow.api.xcom(DAG, run_id, "train_model", key, map_index) for map_index in range(len(SETS))]

    ids, metrics = xcoms("return_value"), xcoms("metrics")
    assert xcoms("hyperparameters") == [{"epochs": 15, **one} for one in SETS]
    fields = live_service.connections()["dlaas_default"]
    with Client(fields["host"], fields["login"], fields["password"]) as client:
        trainings = [client.send(calls.get_training(one)).entity.model_definition for one in ids]
    assert len({one.definition_location for one in trainings}) == 1
    assert {one.execution.gpus for one in trainings} == {4}
    best = max(zip(metrics, ids, strict=True), key=lambda one: one[0]["validation/accuracy"])
    assert airflow.api.xcom(DAG, run_id, "best") == best[1]
    assert best[0]["validation/accuracy"] > 0.8
    model = Path(airflow.api.xcom(DAG, run_id, "fetch_model").removeprefix("file://"))
    signature = hmac.new(KEY.encode(), (model / "model.pt").read_bytes(), hashlib.sha256).hexdigest()
    assert (model / "model.pt.sig").read_text() == signature
    logs = [airflow.api.log(DAG, run_id, one.task_id, map_index=one.map_index) for one in tasks]
    rendered = [airflow.api.rendered_fields(DAG, run_id, one.task_id) for one in tasks if one.map_index < 0]
    assert KEY not in json.dumps([logs, rendered])
