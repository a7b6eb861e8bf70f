"""Texts stay texts on a real Airflow, with and without native rendering of templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from tests.system.stage import Run, Stage


@pytest.mark.parametrize("dag_id", ["texts", "texts_native"])
def test_texts_that_look_like_files_or_numbers_arrive_unchanged(stage: Stage, tmp_path: Path, dag_id: str) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "main.py").write_text("pass")
    api = stage.airflow.api
    api.wait_for_dag(dag_id)
    api.unpause(dag_id)
    conf = {"command": "true", "location": stage.location, "workspace": str(tmp_path)}
    run = Run(stage, dag_id, api.trigger(dag_id, conf))
    state = api.wait_for_run(dag_id, run.run_id, timeout=280)
    failed = {
        one.task_id: run.log(one.task_id)[-2000:] for one in api.tasks(dag_id, run.run_id) if one.state != "success"
    }
    assert (state, failed) == ("success", {})
    trained = [
        one.entity.model_definition
        for one in stage.client.send(calls.list_trainings(limit=1000)).resources
        if one.entity.model_definition.author == run.run_id
    ]
    assert "echo --config params.json" in {one.execution.command for one in trained}
    assert {"model.json", "20261129"} < {one.name for one in trained}
    assert (tmp_path / "down" / "main.py").read_text() == "pass"
