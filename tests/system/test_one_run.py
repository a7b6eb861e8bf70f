"""
One training for one task, and none without: on a real Airflow, whatever is killed, cleared, marked or deleted.

Each trap that operators of remote jobs fall into is shown here, and ours standing in it.
"""

from __future__ import annotations

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from tests.system.stage import Run, Stage, eventually

CANCELED, COMPLETED = TrainingState.CANCELED, TrainingState.COMPLETED

WAYS = ["hold_here", "hold_deferred"]


def at_work(run: Run) -> None:
    """Wait until the task's log shows that somebody waits for the training."""
    eventually(lambda: True if "holding" in run.log() else None, run.told)


# -- exactly one -------------------------------------------------------------


def test_a_worker_that_is_killed_is_followed_by_one_that_waits_on(stage: Stage) -> None:
    """And the result is there, which an operator that reattaches with Airflow's own means loses."""
    run = stage.begin("hold_here")
    training = run.holding()
    at_work(run)
    run.kill_worker()
    eventually(lambda: True if run.log().count(f"Training {training.id}: running") > 1 else None, run.told)
    run.let_go(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]
    assert run.xcom() == training.id


def test_a_triggerer_that_is_killed_and_comes_back_waits_on(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    training = run.holding()
    stage.kill("triggerer")
    run.let_go(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]
    assert run.xcom() == training.id


@pytest.mark.parametrize("way", WAYS)
def test_a_scheduler_that_is_killed_and_comes_back_finds_the_training(stage: Stage, way: str) -> None:
    run = stage.begin(way)
    training = run.holding()
    stage.airflow.components["scheduler"].kill_and_restart()
    run.let_go(training)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]


@pytest.mark.parametrize("way", WAYS)
def test_after_a_failed_training_the_next_try_trains_anew(stage: Stage, way: str) -> None:
    run = stage.begin(way)
    first = run.holding()
    run.let_go(first, 3)
    second = run.holding(number=2)
    run.let_go(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [TrainingState.ERROR, COMPLETED]
    assert run.xcom() == second.id


@pytest.mark.parametrize("way", WAYS)
def test_clearing_a_task_that_has_succeeded_trains_anew(stage: Stage, way: str) -> None:
    """Airflow's own resumable jobs find the old one, and return its result untrained."""
    run = stage.begin(way)
    first = run.holding()
    run.let_go(first)
    assert run.end() == "success"
    run.clear()
    second = run.holding(number=2)
    run.let_go(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED, COMPLETED]
    assert run.xcom() == second.id


def test_a_run_that_is_deleted_and_made_again_under_its_name_trains_anew(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    run.let_go(run.holding())
    assert run.end() == "success"
    run.delete()
    stage.airflow.api.trigger(run.dag_id, {"command": "echo holding", "location": stage.location}, run.run_id)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED, COMPLETED]


# -- none left behind --------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_task_that_is_marked_by_hand_cancels_its_training(stage: Stage, way: str, state: str) -> None:
    run = stage.begin(way)
    training = run.holding()
    at_work(run)
    run.mark(state)
    assert run.ended(training).state is CANCELED
    assert len(run.trainings()) == 1
    assert eventually(lambda: True if f"Training {training.id} was canceled" in run.log() else None, run.told)


@pytest.mark.parametrize("way", WAYS)
def test_a_task_that_is_cleared_while_it_waits_cancels_its_training_and_trains_anew(stage: Stage, way: str) -> None:
    """The new attempt begins before Airflow tells the old one's trigger: neither may end the other's."""
    run = stage.begin(way)
    first = run.holding()
    at_work(run)
    run.clear()
    assert run.ended(first).state is CANCELED
    second = run.holding(number=2)
    run.let_go(second)
    assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [CANCELED, COMPLETED]


def test_a_run_that_is_deleted_while_its_task_is_deferred_cancels_the_training(stage: Stage) -> None:
    run = stage.begin("hold_deferred")
    training = run.holding()
    at_work(run)
    run.delete()
    assert run.ended(training).state is CANCELED


@pytest.mark.parametrize("way", ["hold_here_briefly", "hold_deferred_briefly"])
def test_the_execution_timeout_cancels_the_training(stage: Stage, way: str) -> None:
    """Of a deferred task Airflow itself forgets it."""
    run = stage.begin(way)
    assert run.end() == "failed"
    [training] = run.trainings()  # its command may have begun or not: the time is the task's, from its start
    assert run.ended(training).state is CANCELED
    # A worker's last lines may come a moment after the state of its task.
    eventually(lambda: True if f"Training {training.id} was canceled" in run.log() else None, run.told)


def test_a_task_that_is_ended_before_a_triggerer_has_heard_of_it_leaves_no_training(stage: Stage) -> None:
    """Nobody is told then: so nothing may have been submitted."""
    with stage.frozen("triggerer"):
        run = stage.begin("hold_deferred")
        run.wait_for_state("deferred")
        run.mark("failed")
        assert run.end() == "failed"
    other = stage.begin("hold_deferred")  # when this one is done, the triggerer has looked at all there is
    other.let_go(other.holding())
    assert other.end() == "success"
    assert run.trainings() == []


def test_a_triggerer_that_stalls_and_comes_back_cancels_nothing(stage: Stage) -> None:
    """Another one has taken its triggers over, and Airflow 3.3 tells the first that its tasks were ended by hand."""
    run = stage.begin("hold_deferred")
    training = run.holding()
    at_work(run)
    before = run.log().count(f"Training {training.id}: running")
    with stage.second_triggerer():
        with stage.frozen("triggerer"):
            eventually(lambda: True if run.log().count(f"Training {training.id}: running") > before else None, run.told)
        eventually(lambda: True if "the training goes on" in run.log() else None, run.told)
        assert run.state() == "deferred"
        run.let_go(training)
        assert run.end() == "success"
    assert [one.state for one in run.trainings()] == [COMPLETED]


def test_which_training_it_is_can_be_seen_while_it_runs(stage: Stage) -> None:
    """Airflow pushes an operator's own links only when the task has ended."""
    run = stage.begin("hold_here")
    training = run.holding()
    at_work(run)
    assert run.xcom("dlaas_training")["id"] == training.id
    run.let_go(training)
    assert run.end() == "success"


def test_ending_a_task_that_submits_and_goes_on_ends_nothing_once_it_is_done(stage: Stage) -> None:
    run = stage.begin("hold_sensed")
    training = run.holding()
    run.wait_for_state("deferred", task_id="sense")
    stage.airflow.api.set_task_state(run.dag_id, run.run_id, "sense", "failed")
    assert run.end() == "failed"
    assert not stage.client.send(calls.get_training(training.id)).state.is_final
    run.let_go(training)
    assert run.ended(training).state is COMPLETED
