"""Runs of the DAGs in ``dags/sweeps.py``: many trainings that Airflow ends at once, in each of its ways."""

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

START_TIMEOUTS = {size: 2.0 * seconds for size, seconds in SIZES.items()}
"""Seconds until every training of a sweep is submitted, by the size of the sweep."""

END_TIMEOUT = 90.0
"""Seconds after which a training that is not canceled counts as lost."""

RUN_TIMEOUT_DELAY = 60.0
"""Seconds by which a run may fail later than its timeout."""


@dataclass
class Sweep:
    """One run whose task ``train`` is mapped."""

    stage: Stage
    dag_id: str
    run_id: str
    size: int
    flag: Path
    """A file; when it exists, the task beside the trainings fails."""

    @classmethod
    def begin(cls, stage: Stage, size: int, folder: Path, kind: str = "") -> Sweep:
        """Start a run of *size* trainings; wait until each is submitted and its task is deferred."""
        dag_id = f"sweep_{size}{kind}"
        stage.airflow.api.wait_for_dag(dag_id)
        stage.airflow.api.unpause(dag_id)
        run_id = f"{dag_id}-{time.time_ns()}"
        sweep = cls(stage, dag_id, run_id, size, folder / f"{run_id}.flag")
        stage.airflow.api.trigger(dag_id, {"location": stage.location, "flag": str(sweep.flag)}, run_id)
        sweep.wait_for_trainings(size)
        return sweep

    def wait_for_trainings(self, number: int) -> None:
        """Wait until *number* trainings are submitted and every task is deferred."""

        def deferred() -> bool | None:
            if len(self.trainings()) < number:
                return None
            tasks = self.stage.airflow.api.tasks(self.dag_id, self.run_id)
            return True if sum(one.state == "deferred" for one in tasks) == self.size else None

        eventually(deferred, self.describe, within=START_TIMEOUTS[self.size])

    def trainings(self) -> list[Training]:
        """Return the trainings of the run, oldest first."""
        listed = self.stage.client.send(calls.list_trainings(limit=1000)).resources
        return [one for one in reversed(listed) if one.entity.model_definition.name == self.run_id]

    def mark_tasks(self, state: str) -> None:
        """Set the state of all its tasks at once."""
        self.stage.airflow.api.set_task_state(self.dag_id, self.run_id, "train", state)

    def mark_run(self, state: str) -> None:
        """Set the state of the run, and by it of all its tasks."""
        self.stage.airflow.api._request("PATCH", self._path, {"state": state})

    def delete(self) -> None:
        """Mark the run failed, which Airflow requires, and delete it at once."""
        self.mark_run("failed")
        self.stage.airflow.api._request("DELETE", self._path)

    def clear(self) -> None:
        """Clear all its tasks at once."""
        self.stage.airflow.api.clear_tasks(self.dag_id, self.run_id, ["train"])

    def fail_beside(self) -> None:
        """Make the task beside the trainings fail, in a DAG with ``fail_fast``."""
        self.flag.touch()

    def wait_for_timeout(self) -> None:
        """Wait until the run fails at its timeout."""
        self.stage.airflow.api.wait_for_run(
            self.dag_id, self.run_id, timeout=START_TIMEOUTS[self.size] + RUN_TIMEOUT_DELAY
        )

    def lost(self, first: int = 0) -> list[Training]:
        """Wait until the trainings from index *first* on are canceled; return those without a cancel request."""

        def remaining() -> list[Training]:
            trainings = self.trainings()[first : first + self.size]
            return [
                one for one in trainings if one.state is not TrainingState.CANCELED and not _is_cancel_requested(one)
            ]

        deadline = time.monotonic() + END_TIMEOUT
        while (found := remaining()) and time.monotonic() < deadline:
            time.sleep(0.5)
        return found

    def describe(self) -> str:
        """Describe the run for a failed assertion."""
        try:
            tasks = [f"{one.map_index} {one.state}" for one in self.stage.airflow.api.tasks(self.dag_id, self.run_id)]
        except HostError as error:
            tasks = [str(error)]
        return f"{self.run_id}: {tasks}, {[f'{one.id} {one.state}' for one in self.trainings()]}"

    @property
    def _path(self) -> str:
        return f"/dags/{quote(self.dag_id)}/dagRuns/{quote(self.run_id)}"


def _is_cancel_requested(training: Training) -> bool:
    return bool(training.status.cancel_requested)


def marked_failed(sweep: Sweep) -> list[Training]:
    """Mark all tasks as failed; return the trainings that were lost."""
    sweep.mark_tasks("failed")
    return sweep.lost()


def marked_success(sweep: Sweep) -> list[Training]:
    """Mark all tasks as successful; return the trainings that were lost."""
    sweep.mark_tasks("success")
    return sweep.lost()


def run_marked(sweep: Sweep) -> list[Training]:
    """Mark the run as failed; return the trainings that were lost."""
    sweep.mark_run("failed")
    return sweep.lost()


def run_deleted(sweep: Sweep) -> list[Training]:
    """Delete the run; return the trainings that were lost."""
    sweep.delete()
    return sweep.lost()


def cleared(sweep: Sweep) -> list[Training]:
    """Clear all tasks, wait for the new trainings, end those too; return the trainings that were lost."""
    sweep.clear()
    lost = sweep.lost()
    sweep.wait_for_trainings(2 * sweep.size)
    sweep.mark_run("failed")
    return lost + sweep.lost(first=sweep.size)


def failed_beside(sweep: Sweep) -> list[Training]:
    """Make another task fail in a DAG with ``fail_fast``; return the trainings that were lost."""
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
"""Ways to end a sweep: the suffix of the DAG's id, and a function that ends it and returns the lost trainings."""
