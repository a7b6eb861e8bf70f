"""The example that resumes: killed while it trains, it ends with the weights of an undisturbed run, bit by bit."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from tests.system.stage import eventually

DAG = "resume_training"

EPOCHS = 500
"""Some seconds more than it takes to find the first checkpoint and to kill the learner."""


class ExampleRun:
    """A run of the example."""

    def __init__(self, airflow: RealAirflow, client: Client, workspace: Path) -> None:
        self._airflow, self._client = airflow, client
        self._before = {one.id for one in self.trainings()}
        self.run_id = airflow.api.trigger(DAG, {"workspace": workspace.as_uri(), "epochs": EPOCHS})

    def trainings(self) -> list[Training]:
        """Return all trainings of the example."""
        listed = self._client.send(calls.list_trainings(limit=1000)).resources
        return [one for one in listed if one.entity.model_definition.name == "resume-training"]

    def training(self) -> Training | None:
        """Return the training of this run; None if it is not submitted yet."""
        found = [one for one in self.trainings() if one.id not in self._before]
        assert len(found) <= 1, found
        return self._client.send(calls.get_training(found[0].id)) if found else None

    def log(self) -> str:
        """Return the log of the task that trains."""
        return "\n".join(self._airflow.api.log(DAG, self.run_id, "train_model"))

    def with_checkpoint(self) -> Training:
        """Wait until a checkpoint is stored while the command runs; return the training."""

        def look() -> Training | None:
            now = self.training()
            assert now is None or not now.state.is_final, self.log()
            return now if now is not None and now.status.checkpoint is not None else None

        return eventually(look, self.log, within=600)  # the first training of a runtime makes its environment

    def weights(self) -> dict[str, bytes]:
        """Wait for the end; return the weights of the fetched model by name."""
        assert self._airflow.api.wait_for_run(DAG, self.run_id, timeout=900) == "success", self.log()
        folder = Path(self._airflow.api.xcom(DAG, self.run_id, "fetch_model").removeprefix("file://"))
        with np.load(folder / "weights.npz") as weights:
            return {name: weights[name].tobytes() for name in weights.files}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_example_fetches_the_model_of_an_undisturbed_run(
    airflow: RealAirflow, live_service: ServiceProcess, tmp_path: Path
) -> None:
    """The service begins again with the newest checkpoint; the task waits on in its first try."""
    airflow.api.wait_for_dag(DAG)
    airflow.api.unpause(DAG)
    fields = live_service.connections()["dlaas_default"]
    with Client(fields["host"], fields["login"], fields["password"]) as client:
        undisturbed = ExampleRun(airflow, client, tmp_path / "undisturbed")
        expected = undisturbed.weights()

        killed = ExampleRun(airflow, client, tmp_path / "killed")
        training = killed.with_checkpoint()
        learner = read_job_file(JobDirectory(live_service.home / "jobs" / training.id).run, ProcessIdentity)
        assert learner is not None
        os.kill(learner.pid, signal.SIGKILL)
        assert killed.weights() == expected, killed.log()

        ended = killed.training()
    assert ended is not None
    assert (ended.state, ended.status.attempt) == (TrainingState.COMPLETED, 2)
    assert ended.status.attempts is not None
    first, second = ended.status.attempts
    assert first.code == "S100"
    assert second.resumed_from is not None
    assert second.resumed_from.training_id == training.id
    assert airflow.api.task(DAG, killed.run_id, "train_model").try_number == 1
