"""Clears after a success and after a lost task, and the identity of Airflow, on a real Airflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.task_runs.airflow_identity import VARIABLE_KEY
from airflow_dlaas.task_runs.run_key import RunKey
from tests.system.dags.generations import REFUSALS
from tests.system.stage import Stage, eventually
from tests.system.sweep import Sweep, run_marked

COMPLETED = TrainingState.COMPLETED


def test_a_cleared_task_reuses_its_training_that_completed_after_its_worker_was_lost(stage: Stage) -> None:
    """After that success, the next clear trains again."""
    run = stage.begin("hold_once")
    first = run.holding()
    eventually(lambda: True if "holding" in run.log() else None, run.describe)
    run.kill_worker()
    run.wait_for_state("failed")
    run.release(first)
    assert run.ended(first).state is COMPLETED
    run.clear()
    assert run.end() == "success"
    assert [one.id for one in run.trainings()] == [first.id]
    assert run.xcom() == first.id
    assert "it is reused instead of training again" in run.log()
    run.clear()
    second = run.holding(number=2)
    run.release(second)
    assert run.end() == "success"
    assert run.xcom() == second.id


@pytest.mark.timeout(600)
def test_a_refused_definition_fails_each_deferred_task_with_the_cause_in_its_log(stage: Stage) -> None:
    """The trigger gets the refusal within a second; an event at that time would lose the task and the cause."""
    run = stage.begin("refused")
    api = stage.airflow.api
    assert api.wait_for_run(run.dag_id, run.run_id, timeout=300) == "failed"
    tasks = [one for one in stage.airflow.api.tasks(run.dag_id, run.run_id) if one.task_id == "train"]
    assert len(tasks) == REFUSALS

    def without_reason() -> list[str]:
        logs = [(one, "\n".join(api.log(run.dag_id, run.run_id, "train", 1, one.map_index))) for one in tasks]
        return [f"{one}\n{log}" for one, log in logs if "C103" not in log or "no-such-container" not in log]

    # The last lines of a worker's log may come shortly after the state of its task.
    eventually(lambda: None if without_reason() else True, lambda: "\n\n".join(without_reason()))
    assert run.trainings() == []


def test_the_first_tasks_of_an_airflow_create_one_identity(stage: Stage, tmp_path: Path) -> None:
    sweep = Sweep.begin(stage, 4, tmp_path)
    known = stage.airflow.api._request("GET", f"/variables/{VARIABLE_KEY}")["value"]
    keys = [RunKey.from_description(one.entity.model_definition.description) for one in sweep.trainings()]
    assert known
    assert len({key.airflow_digest for key in keys if key}) == 1
    assert None not in {key.airflow_digest for key in keys if key}
    assert not run_marked(sweep)
