"""Tests of a DAG in a versioned bundle: a run uses the files of its own version, although there is a newer one."""

from __future__ import annotations

import zipfile
from pathlib import Path

from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from tests.system import versioned_bundle
from tests.system.stage import bundle_folder, eventually, store_of

DAG = "versioned"

DAG_FILE = """
from datetime import timedelta

from airflow.sdk import DAG, Param
from airflow_dlaas.operators.data import UploadDataOperator
from airflow_dlaas.operators.experiment import PackageModelOperator

# Airflow may lose a worker on a machine with high load.
RETRIES = {"retries": 2, "retry_delay": timedelta(seconds=1)}

with DAG("versioned", schedule=None, default_args=RETRIES, params={"folder": Param("", type="string")}):
    PackageModelOperator(task_id="package", source="code", destination="{{ params.folder }}/{{ run_id }}.zip")
    UploadDataOperator(task_id="upload", source="data/*.txt", container="versioned", prefix="{{ run_id }}")
"""


def files(text: str) -> dict[str, str]:
    """Return the files of a version that differs from others by *text*, with the DAG in a folder of the bundle."""
    return {"team/versioned.py": DAG_FILE, "team/code/train.py": text, "team/data/a.txt": text}


def test_run_uses_relative_sources_of_its_own_version(
    airflow: RealAirflow, live_service: ServiceProcess, tmp_path: Path
) -> None:
    folder, api = bundle_folder(airflow.home), airflow.api
    versioned_bundle.publish(folder, "1", files("one"))
    api.wait_for_dag(DAG)
    older = api.trigger(DAG, {"folder": str(tmp_path)})  # its tasks wait, because the DAG is paused
    versioned_bundle.publish(folder, "2", files("two"))
    eventually(lambda: api._request("GET", f"/dags/{DAG}")["bundle_version"] == "2" or None)
    newer = api.trigger(DAG, {"folder": str(tmp_path)})
    api.unpause(DAG)
    for run_id, text in ((older, b"one"), (newer, b"two")):
        state = api.wait_for_run(DAG, run_id, timeout=240)
        assert state == "success", [api.log(DAG, run_id, one.task_id) for one in api.tasks(DAG, run_id)]
        assert zipfile.ZipFile(tmp_path / f"{run_id}.zip").read("train.py") == text
        with store_of(live_service) as store:
            store.get("versioned", f"{run_id}/a.txt", tmp_path / "a.txt")
        assert (tmp_path / "a.txt").read_bytes() == text
