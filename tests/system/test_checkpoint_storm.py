"""
Airflow's parts, the service and learners are killed at random while trainings store checkpoints.

`tests/chaos/checkpoints` has many more rounds without Airflow.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field

import pytest

from airflow_dlaas.contract.results import attempt_folder
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from tests.chaos.checkpoints import steps
from tests.chaos.checkpoints.code import train
from tests.chaos.checkpoints.script import PAUSE, STEPS, Round
from tests.chaos.checkpoints.trainings import ChaosTraining
from tests.system.stage import Run, Stage, eventually, store_of

SEED = 20261201

ROUNDS = (("endure_here", "renamed"), ("endure_deferred", "in-place"), ("endure_deferred", "shards"))

EVENTS, EVENT_WINDOW = 6, 15.0
"""The number of kills, and the seconds within which they happen after the commands have begun."""


@dataclass
class Kills:
    """What is killed, drawn from a seed."""

    stage: Stage
    service: ServiceProcess
    runs: list[Run]
    draw: random.Random
    learners: dict[str, list[float]] = field(default_factory=dict)
    """The times at which the learner of a training was killed, by its id."""
    done: list[str] = field(default_factory=list)

    def kill_one(self) -> None:
        """Kill a learner, a worker, the triggerer, the scheduler, or the service."""
        match what := self.draw.choice(["learner", "learner", "worker", "triggerer", "scheduler", "service"]):
            case "learner":
                self._kill_learner(self.draw.choice(self.runs))
            case "worker":
                self.stage.kill_a_worker()
            case "service":
                self.service.kill_and_restart()
            case "scheduler":  # without the tasks below it: Airflow misses such ones after five minutes only
                self.stage.airflow.components["scheduler"].kill_and_restart()
            case "triggerer":
                self.stage.kill("triggerer")
        self.done.append(what)

    def _kill_learner(self, run: Run) -> None:
        training = run.trainings()[-1]
        identity = read_job_file(JobDirectory(self.stage.home / "jobs" / training.id).run, ProcessIdentity)
        if identity is not None and identify(identity.pid) == identity:
            self.learners.setdefault(training.id, []).append(time.time())
            with contextlib.suppress(ProcessLookupError):
                os.kill(identity.pid, signal.SIGKILL)


@pytest.mark.timeout(600)
def test_each_task_has_one_training_with_the_weights_of_an_undisturbed_one(
    stage: Stage, live_service: ServiceProcess
) -> None:
    rounds = [Round(number, style, ()) for number, (_, style) in enumerate(ROUNDS, 1)]
    runs = [
        stage.begin(dag_id, f"python3 train.py {style} round-{one.number} {STEPS} {one.every} {PAUSE}")
        for one, (dag_id, style) in zip(rounds, ROUNDS, strict=True)
    ]
    for run in runs:
        eventually(lambda run=run: run.trainings() or None, run.describe)
    kills = Kills(stage, live_service, runs, random.Random(SEED))
    for _ in range(EVENTS):
        time.sleep(kills.draw.uniform(0, 2 * EVENT_WINDOW / EVENTS))
        kills.kill_one()
    with store_of(live_service) as store:
        for one, run in zip(rounds, runs, strict=True):
            assert _end(run) == "success", run.describe()
            [ended] = run.trainings()
            assert ended.state is TrainingState.COMPLETED, kills.done
            assert ended.entity.training_results is not None
            job = ChaosTraining(one, ended.id, JobDirectory(stage.home / "jobs" / ended.id))
            found = steps.find_violations(job.steps(), kills.learners.get(ended.id, []), job.longest_transfers())
            assert not list(found), kills.done
            name = f"{attempt_folder(ended.id, ended.status.attempt or 1)}/weights.bin"
            assert store.read_range("holds", name, 0, train.SIZE) == train.weights_of(job.seed, STEPS), kills.done


def _end(run: Run) -> str:
    """Wait for the end of a run; a scheduler whose database was locked at a kill is started again."""

    def look() -> str | None:
        list(run.stage.restart_ended_components())
        state = run.stage.airflow.api.run_state(run.dag_id, run.run_id)
        return state if state in {"success", "failed"} else None

    return eventually(look, run.describe, within=240)
