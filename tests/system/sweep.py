"""Runs of the DAGs in ``dags/sweeps.py``: several trainings that are ended at once, in every way that Airflow has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import HostError
from tests.system.dags.sweeps import SIZES
from tests.system.stage import Stage, eventually

START_PATIENCE = {size: 2.0 * seconds for size, seconds in SIZES.items()}
"""Seconds until every training of a sweep has been submitted."""

END_PATIENCE = 90.0
"""Seconds after which a training that nobody has canceled counts as lost."""

LONGEST_TIMEOUT = 60.0
"""Seconds by which the end of a run at its timeout may come late."""


@dataclass
class Sweep:
    """One run, whose task ``train`` is mapped."""

    stage: Stage
    dag_id: str
    run_id: str
    size: int
    flag: Path
    """A file; its appearance lets the task beside the trainings fail."""

    @classmethod
    def begin(cls, stage: Stage, size: int, folder: Path, kind: str = "") -> Sweep:
        """Start a run of *size* trainings, and wait until each is submitted and its task deferred."""
        dag_id = f"sweep_{size}{kind}"
        stage.airflow.api.wait_for_dag(dag_id)
        stage.airflow.api.unpause(dag_id)
        run_id = f"{dag_id}-{time.time_ns()}"
        sweep = cls(stage, dag_id, run_id, size, folder / f"{run_id}.flag")
        stage.airflow.api.trigger(dag_id, {"location": stage.location, "flag": str(sweep.flag)}, run_id)
        sweep.wait_for_trainings(size)
        return sweep

    def wait_for_trainings(self, number: int) -> None:
        """Wait until *number* trainings were submitted and every task waits for one of them."""

        def deferred() -> bool | None:
            if len(self.trainings()) < number:
                return None
            tasks = self.stage.airflow.api.tasks(self.dag_id, self.run_id)
            return True if sum(one.state == "deferred" for one in tasks) == self.size else None

        eventually(deferred, self.told, within=START_PATIENCE[self.size])

    def trainings(self) -> list[Training]:
        """All its trainings, oldest first."""
        listed = self.stage.client.send(calls.list_trainings(limit=1000)).resources
        return [one for one in reversed(listed) if one.entity.model_definition.name == self.run_id]

    def mark_tasks(self, state: str) -> None:
        """Mark all its tasks at once."""
        self.stage.airflow.api.set_task_state(self.dag_id, self.run_id, "train", state)

    def mark_run(self, state: str) -> None:
        """Mark the run, and with it all its tasks."""
        self.stage.airflow.api._request("PATCH", self._path, {"state": state})

    def delete(self) -> None:
        """Mark the run failed, as Airflow demands, and delete it at once."""
        self.mark_run("failed")
        self.stage.airflow.api._request("DELETE", self._path)

    def clear(self) -> None:
        """Clear all its tasks at once."""
        self.stage.airflow.api.clear_tasks(self.dag_id, self.run_id, ["train"])

    def fail_beside(self) -> None:
        """Let the task beside the trainings fail, for a DAG with ``fail_fast``."""
        self.flag.touch()

    def wait_for_timeout(self) -> None:
        """Wait until the run has failed at its timeout."""
        self.stage.airflow.api.wait_for_run(
            self.dag_id, self.run_id, timeout=START_PATIENCE[self.size] + LONGEST_TIMEOUT
        )

    def lost(self, first: int = 0) -> list[Training]:
        """Return which trainings, from the *first* on, run on although everything was done to end them."""

        def left() -> list[Training]:
            mine = self.trainings()[first : first + self.size]
            return [one for one in mine if one.state is not TrainingState.CANCELED and not _asked_to_stop(one)]

        until = time.monotonic() + END_PATIENCE
        while (found := left()) and time.monotonic() < until:
            time.sleep(0.5)
        return found

    def told(self) -> str:
        """Describe the run for a failed assertion."""
        try:
            tasks = [f"{one.map_index} {one.state}" for one in self.stage.airflow.api.tasks(self.dag_id, self.run_id)]
        except HostError as error:
            tasks = [str(error)]
        return f"{self.run_id}: {tasks}, {[f'{one.id} {one.state}' for one in self.trainings()]}"

    @property
    def _path(self) -> str:
        return f"/dags/{quote(self.dag_id)}/dagRuns/{quote(self.run_id)}"


def _asked_to_stop(training: Training) -> bool:
    return bool(training.status.cancel_requested)


def marked_failed(sweep: Sweep) -> list[Training]:
    """Mark all tasks failed; return the trainings that were lost."""
    sweep.mark_tasks("failed")
    return sweep.lost()


def marked_success(sweep: Sweep) -> list[Training]:
    """Mark all tasks as successful; return the trainings that were lost."""
    sweep.mark_tasks("success")
    return sweep.lost()


def run_marked(sweep: Sweep) -> list[Training]:
    """Mark the run failed; return the trainings that were lost."""
    sweep.mark_run("failed")
    return sweep.lost()


def run_deleted(sweep: Sweep) -> list[Training]:
    """Delete the run; return the trainings that were lost."""
    sweep.delete()
    return sweep.lost()


def cleared(sweep: Sweep) -> list[Training]:
    """Clear all tasks, wait for the new trainings, and end those too; return the trainings that were lost."""
    sweep.clear()
    lost = sweep.lost()
    sweep.wait_for_trainings(2 * sweep.size)
    sweep.mark_run("failed")
    return lost + sweep.lost(first=sweep.size)


def failed_beside(sweep: Sweep) -> list[Training]:
    """Let a task fail beside them in a DAG with ``fail_fast``; return the trainings that were lost."""
    sweep.fail_beside()
    return sweep.lost()


def timed_out(sweep: Sweep) -> list[Training]:
    """Wait for the run's timeout; return the trainings that were lost."""
    sweep.wait_for_timeout()
    return sweep.lost()


WAYS: dict[str, tuple[str, Callable[[Sweep], list[Training]]]] = {
    "marked failed": ("", marked_failed),
    "marked success": ("", marked_success),
    "run marked failed": ("", run_marked),
    "run deleted": ("", run_deleted),
    "cleared": ("", cleared),
    "fail_fast": ("_fail_fast", failed_beside),
    "dagrun_timeout": ("_timeout", timed_out),
}
"""Ways to end a sweep: the kind of its DAG, and what is done and returns the trainings that were lost."""
