"""A nightly run whose service is killed, or whose task a user ends."""

from __future__ import annotations

import time
from pathlib import Path

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.demo.airflow_processes import RealAirflow
from tests.conftest import ServiceProcess
from tests.system.stage import SURVIVES, eventually, survivor


def test_a_run_succeeds_although_the_service_is_killed_and_restarted(
    airflow: RealAirflow, own_service: ServiceProcess, tmp_path: Path
) -> None:
    own_service.start()
    run_id, training = survivor(airflow, own_service, tmp_path / "workspace", steps=20)
    own_service.kill()
    time.sleep(3)
    own_service.start()
    assert airflow.api.wait_for_run(SURVIVES, run_id, timeout=180) == "success"
    with own_service.client() as client:
        (only,) = client.send(calls.list_trainings()).resources
    assert (only.id, only.state) == (training.id, TrainingState.COMPLETED)
    assert only.status.message == f"{training.id}: "


def test_a_deferred_task_that_a_user_marks_failed_cancels_its_training(
    airflow: RealAirflow, own_service: ServiceProcess, tmp_path: Path
) -> None:
    own_service.start()
    run_id, training = survivor(airflow, own_service, tmp_path / "workspace", steps=600)

    def log() -> str:
        return "\n".join(airflow.api.log(SURVIVES, run_id, "train"))

    # Wait until the trigger runs: before that, the triggerer does not learn that the task has ended.
    eventually(lambda: True if f"Training {training.id}: running" in log() else None, log)
    assert airflow.api.task(SURVIVES, run_id, "train").state == "deferred"
    airflow.api.set_task_state(SURVIVES, run_id, "train", "failed")
    with own_service.client() as client:

        def end() -> TrainingState | None:
            now = client.send(calls.get_training(training.id)).state
            return now if now.is_final else None

        assert eventually(end, log) is TrainingState.CANCELED
