"""
Exactly one training for each task on a real Airflow, whichever process is killed and whatever is cleared or deleted.

Each test shows a case in which operators of remote jobs commonly submit a job twice or leave one running.
"""

from __future__ import annotations

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from tests.system.stage import Run, Stage, eventually

CANCELED, COMPLETED = TrainingState.CANCELED, TrainingState.COMPLETED

DAG_IDS = ["hold_here", "hold_deferred"]


def wait_for_training_log(run: Run) -> None:
    """Wait until the task's log has a line of the training: the task or its trigger follows the training now."""
    eventually(lambda: True if "holding" in run.log() else None, run.describe)


# -- exactly one -------------------------------------------------------------


def test_killed_worker_is_replaced_by_one_that_attaches(stage: Stage) -> None:
    """The task has its result, too, which an operator that reattaches by Airflow's own means loses."""
    run = stage.begin("hold_here")
    training = run.holding()
    wait_for_training_log(run)
    run.kill_worker()
    eventually(lambda: True if run.log().count(f"Training {training.id}: running") > 1 else None, run.describe)
    run.release(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]
    assert run.xcom() == training.id


def test_killed_triggerer_attaches_after_its_restart(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    training = run.holding()
    stage.kill("triggerer")
    run.release(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]
    assert run.xcom() == training.id


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_killed_scheduler_loses_no_training(stage: Stage, dag_id: str) -> None:
    run = stage.begin(dag_id)
    training = run.holding()
    stage.airflow.components["scheduler"].kill_and_restart()
    run.release(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_next_try_after_a_failed_training_submits_a_new_one(stage: Stage, dag_id: str) -> None:
    run = stage.begin(dag_id)
    first = run.holding()
    run.release(first, 3)
    second = run.holding(number=2)
    run.release(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [TrainingState.ERROR, COMPLETED]
    assert run.xcom() == second.id


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_clearing_a_successful_task_submits_a_new_training(stage: Stage, dag_id: str) -> None:
    """Airflow's own resumable jobs find the old job and return its result."""
    run = stage.begin(dag_id)
    first = run.holding()
    run.release(first)
    assert run.end() == "success"
    run.clear()
    second = run.holding(number=2)
    run.release(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED, COMPLETED]
    assert run.xcom() == second.id


def test_deleted_run_created_again_with_the_same_id_submits_a_new_training(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    run.release(run.holding())
    assert run.end() == "success"
    run.delete()
    stage.airflow.api.trigger(run.dag_id, {"command": "echo holding", "location": stage.location}, run.run_id)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED, COMPLETED]


# -- none left behind --------------------------------------------------------


@pytest.mark.parametrize("dag_id", DAG_IDS)
@pytest.mark.parametrize("state", ["failed", "success"])
def test_marking_a_task_by_hand_cancels_its_training(stage: Stage, dag_id: str, state: str) -> None:
    run = stage.begin(dag_id)
    training = run.holding()
    wait_for_training_log(run)
    run.mark(state)
    assert run.ended(training).state is CANCELED
    assert len(run.trainings()) == 1
    assert eventually(lambda: True if f"Training {training.id} was canceled" in run.log() else None, run.describe)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_clearing_a_waiting_task_cancels_its_training_and_submits_a_new_one(stage: Stage, dag_id: str) -> None:
    """The new try begins before Airflow cancels the old trigger: neither may cancel the other's training."""
    run = stage.begin(dag_id)
    first = run.holding()
    wait_for_training_log(run)
    run.clear()
    assert run.ended(first).state is CANCELED
    second = run.holding(number=2)
    run.release(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [CANCELED, COMPLETED]


def test_deleting_a_run_with_a_deferred_task_cancels_the_training(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    training = run.holding()
    wait_for_training_log(run)
    run.delete()
    assert run.ended(training).state is CANCELED


@pytest.mark.parametrize("dag_id", ["hold_here_briefly", "hold_deferred_briefly"])
def test_execution_timeout_cancels_the_training(stage: Stage, dag_id: str) -> None:
    """Airflow itself does not apply the timeout to a deferred task."""
    run = stage.begin(dag_id)
    assert run.end() == "failed"
    [training] = run.trainings()  # the timeout counts from the task's start, so the command may have begun or not
    assert run.ended(training).state is CANCELED
    # A worker may write its last lines shortly after the task's state.
    eventually(lambda: True if f"Training {training.id} was canceled" in run.log() else None, run.describe)


def test_task_ended_before_its_trigger_starts_submits_no_training(stage: Stage) -> None:
    """Airflow calls no `on_kill` in this case, so a training submitted earlier would be orphaned."""
    with stage.frozen("triggerer"):
        run = stage.begin("hold_deferred")
        run.wait_for_state("deferred")
        run.mark("failed")
        assert run.end() == "failed"
    other = stage.begin("hold_deferred")  # when it has ended, the triggerer has handled all earlier triggers
    other.release(other.holding())
    assert other.end() == "success"
    assert run.trainings() == []


def test_triggerer_that_stalls_and_resumes_cancels_nothing(stage: Stage) -> None:
    """Another triggerer took over its triggers, and Airflow 3.3 reports to the first that a user ended the tasks."""
    run = stage.begin("hold_deferred")
    training = run.holding()
    wait_for_training_log(run)
    before = run.log().count(f"Training {training.id}: running")
    with stage.second_triggerer():
        with stage.frozen("triggerer"):
            eventually(
                lambda: True if run.log().count(f"Training {training.id}: running") > before else None, run.describe
            )
        eventually(lambda: True if "Another triggerer has taken over" in run.log() else None, run.describe)
        assert run.state() == "deferred"
        run.release(training)
        assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]


def test_training_id_is_in_an_xcom_while_the_training_runs(stage: Stage) -> None:
    """Airflow stores an operator's links only after the task has ended."""
    run = stage.begin("hold_here")
    training = run.holding()
    wait_for_training_log(run)
    assert run.xcom("dlaas_training")["id"] == training.id
    run.release(training)
    assert run.end() == "success"


def test_ending_the_sensor_does_not_cancel_the_training_of_a_finished_submit_task(stage: Stage) -> None:
    run = stage.begin("hold_sensed")
    training = run.holding()
    run.wait_for_state("deferred", task_id="sense")
    stage.airflow.api.set_task_state(run.dag_id, run.run_id, "sense", "failed")
    assert run.end() == "failed"
    assert not stage.client.send(calls.get_training(training.id)).state.is_final
    run.release(training)
    assert run.ended(training).state is COMPLETED
