"""The example that trains on data in S3: the data, the code and the model are in one bucket."""

from __future__ import annotations

import json

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess

DAG = "train_on_s3"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_train_on_s3_stores_the_model_beside_the_data(airflow: RealAirflow, live_service: ServiceProcess) -> None:
    """The service's own store is the one in S3; its key is in no log and in no rendered template."""
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    run_id = airflow.api.trigger(DAG, {"epochs": 3})
    state = airflow.api.wait_for_run(DAG, run_id, timeout=900)
    tasks = airflow.api.tasks(DAG, run_id)
    assert state == "success", {
        one.task_id: airflow.api.log(DAG, run_id, one.task_id)[-30:] for one in tasks if one.state != "success"
    }
    connections = live_service.connections()
    fields = connections["dlaas_default"]
    with Client(fields["host"], fields["login"], fields["password"]) as client:
        training = client.send(calls.get_training(airflow.api.xcom(DAG, run_id, "train_model")))
    data = training.status.data
    assert data is not None
    assert [(one.type, one.prefix, one.files) for one in data.sources] == [("s3", f"{run_id}/data", 1)]
    assert airflow.api.xcom(DAG, run_id, "fetch_model").endswith(f"train-on-s3/{run_id}/model")
    logs = [airflow.api.log(DAG, run_id, one.task_id) for one in tasks]
    rendered = [airflow.api.rendered_fields(DAG, run_id, one.task_id) for one in tasks]
    assert connections["dlaas_s3"]["password"] not in json.dumps([logs, rendered])
