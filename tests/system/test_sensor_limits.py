"""Sensors on a real Airflow: timeouts in every mode, and trainings that have already ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.system.dags.limits import LIMIT
from tests.system.stage import Run, Stage

pytestmark = pytest.mark.timeout(600)


def end(run: Run) -> str:
    """Wait for the end of *run*; its many tasks share two processors."""
    return run.stage.airflow.api.wait_for_run(run.dag_id, run.run_id, timeout=560)


def states(run: Run) -> dict[str, str | None]:
    return {view.task_id: view.state for view in run.stage.airflow.api.tasks(run.dag_id, run.run_id)}


def failing_logs(run: Run) -> dict[str, str]:
    return {task: run.log(task)[-2000:] for task, state in states(run).items() if state not in {"success", "skipped"}}


def duration(run: Run, task_id: str) -> float:
    """Seconds from the start of *task_id* to its end."""
    path = f"/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances/{task_id}"
    instance: Any = run.stage.airflow.api._request("GET", path)
    begun, ended = (
        datetime.fromisoformat(instance[name].replace("Z", "+00:00")) for name in ("start_date", "end_date")
    )
    return (ended - begun).total_seconds()


def test_execution_timeout_ends_a_sensor_in_every_mode(stage: Stage) -> None:
    run = stage.begin("sensor_limits", "true")
    end(run)
    limited = {task: states(run)[task] for task in ("deferred", "here", "object_deferred")}
    assert set(limited.values()) == {"failed"}, limited
    seconds = {task: duration(run, task) for task in limited}
    # Without the timeout they would run for five minutes and not fail.
    assert all(lasting > LIMIT.total_seconds() - 1 for lasting in seconds.values()), seconds
    for task, words in {
        "deferred": "the timeout for it is over",
        "object_deferred": f"{LIMIT.total_seconds():.0f} s have passed without object 'never-there'",
    }.items():
        assert words in run.log(task), run.log(task)[-3000:]
        assert "AirflowTaskTimeout" in run.log(task)


def test_never_fail_and_soft_fail_skip_in_every_mode(stage: Stage) -> None:
    run = stage.begin("sensors_skip", "true")
    end(run)
    asked = {task: state for task, state in states(run).items() if task != "failing"}
    assert len(asked) == 18
    assert set(asked.values()) == {"skipped"}, failing_logs(run)


def test_no_deferrable_sensor_of_an_ended_training_fails(stage: Stage) -> None:
    """Ten sensors of a training that has ended before, and ten of one that ends right after their deferral."""
    run = stage.begin("sensors_of_ended", "true")
    assert end(run) == "success", failing_logs(run)
