"""Trainings that go on from their checkpoints, in further attempts and in further tries, on a real Airflow."""

from __future__ import annotations

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.annotations import Annotations
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from tests.system.stage import Run, Stage

STEPS = (
    "n=$(cat $CHECKPOINT_DIR/step 2>/dev/null || echo 0); echo begins at step $n, attempt $ATTEMPT of a training; "
    "echo $((n+1)) > $CHECKPOINT_DIR/step; sleep 3; case $n in 0) exit 75;; 1) exit 1;; *) exit 0;; esac"
)
"""
A command that saves one step each time it is started. The first time it ends with the exit code of an interruption, the
second time it fails, and then it completes.
"""


def resumed(training: Training) -> str | None:
    source = training.status.resumed_from
    return None if source is None else source.training_id


def begins(run: Run, training: Training) -> list[str]:
    """Return the lines of the command that name its step."""
    return [line for line in run.command_log(training).splitlines() if line.startswith("begins at step")]


@pytest.mark.parametrize("dag_id", ["resume_here", "resume_deferred"])
def test_attempts_and_retries_go_on_where_the_training_was(stage: Stage, dag_id: str) -> None:
    """The task's log names each attempt; a clear resumes a training with the tag, and else begins from zero."""
    run = stage.begin(dag_id, STEPS)
    assert run.end() == "success", run.describe()
    first, second = run.trainings()
    assert (first.state, second.state) == (TrainingState.ERROR, TrainingState.COMPLETED), run.describe()
    assert begins(run, first) == [f"begins at step {n}, attempt {n + 1} of a training" for n in (0, 1)]
    assert begins(run, second) == ["begins at step 2, attempt 1 of a training"]
    assert (resumed(first), resumed(second)) == (first.id, first.id)
    assert run.xcom() == second.id

    log = run.log()
    assert f"Training {first.id}: attempt 1 ended: " in log
    assert "attempt 2 of 2 follows" in log
    assert f"Training {first.id}: attempt 2 begins with checkpoint " in log
    assert f"The training resumes from training {first.id} (attempt 2, checkpoint " in log
    assert f"Training {second.id}: attempt 1 begins with checkpoint " in log

    stage.client.send(calls.annotate_training(second.id, Annotations(tags=("resume",))))
    run.clear()
    assert run.end() == "success", run.describe()
    third = run.trainings()[-1]
    assert begins(run, third) == ["begins at step 3, attempt 1 of a training"]
    assert resumed(third) == second.id
