"""The course of the demo: start all processes at once, run the DAG, and show the run until its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.demo.airflow_api import FINAL_RUN_STATES, TaskInstanceInfo
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.display import Display
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.demo.view_model import (
    FINAL_TASK_STATES,
    DemoView,
    StartupStep,
    TaskRow,
    metrics_line,
    task_log_lines,
    task_rows,
    topological_order,
    training_line,
)
from airflow_dlaas.exceptions import DlaasError, HostError

DAG_ID = "nightly_retrain"

RUNTIME = ("tensorflow", "2.21")
"""The framework of the example DAG; it is installed while Airflow starts, since both take half a minute."""

POLL_INTERVAL = 0.25
"""Seconds between two updates of the display."""

LOG_POLL_INTERVAL = 2.0
"""Seconds between two requests for the log of a running task: Airflow reads the whole file for each."""

CLIENT_TIMEOUT = (2.0, 5.0)
"""Seconds to connect and to wait for a response about the training; a failed request is repeated at the next update."""

RUN_TIMEOUT = 1800.0
"""Seconds that the DAG run may take: about one minute, and maybe the installation of a framework."""


@dataclass(frozen=True)
class DemoResult:
    """The end of the DAG run."""

    state: str
    rows: tuple[TaskRow, ...]
    accuracy: Any
    model: Any
    url: str
    failure: str = ""
    """For a failed run: the failed task and the end of its log."""


class DemoFlow:
    """One demo, from the start of all processes to the end of the DAG run. `close` stops all processes."""

    def __init__(self, service: ServiceProcess, airflow: RealAirflow, workspace: Path, display: Display) -> None:
        self.service = service
        self.airflow = airflow
        self._workspace = workspace
        self._display = display
        self._view = DemoView()
        self._started_at = time.monotonic()
        self._pending_steps: dict[str, Iterator[str]] = {}
        self._stack = ExitStack()

    def run(self) -> DemoResult:
        """Run the whole demo; raise `HostError` when a process does not start, or ends unexpectedly."""
        self._stack.callback(self.service.stop)
        self._stack.callback(self.airflow.stop)
        framework, version = RUNTIME
        self._add_step("Training service", self.service.start_steps())
        self._add_step(f"Environment for {framework} {version}", self.service.prepare_steps(framework, version))
        self._add_step("Airflow", self.airflow.start_steps())
        # Do not wait for the environment: the first tasks do not need it.
        self._wait_until_started("Training service", "Airflow")
        return self._run_dag()

    def wait_for_failure(self) -> None:
        """Wait until a process ends unexpectedly, then raise `HostError`; never return."""
        while True:
            self._require_running()
            time.sleep(1)

    def close(self) -> None:
        """Stop all processes; return when none is left."""
        # Airflow and the service need seconds each to stop: let them stop at the same time.
        self.airflow.request_stop()
        self.service.request_stop()
        self._stack.close()

    # -- starting ----------------------------------------------------------------

    def _add_step(self, name: str, work: Iterator[str]) -> None:
        self._pending_steps[name] = work
        self._update_view(steps=(*self._view.steps, StartupStep(name, "running")))

    def _wait_until_started(self, *names: str) -> None:
        while any(name in self._pending_steps for name in names):
            self._advance_steps()
            time.sleep(POLL_INTERVAL)

    def _advance_steps(self) -> None:
        """Advance each unfinished start by one step."""
        for name, work in list(self._pending_steps.items()):
            try:
                step = StartupStep(name, "running", next(work))
            except StopIteration:
                step = StartupStep(name, "done")
                del self._pending_steps[name]
            except HostError as error:
                self._update_step(StartupStep(name, "failed", str(error).splitlines()[0]))
                raise
            self._update_step(step)

    def _update_step(self, step: StartupStep) -> None:
        timed = replace(step, seconds=time.monotonic() - self._started_at)
        self._update_view(steps=tuple(timed if one.name == step.name else one for one in self._view.steps))

    # -- the run -------------------------------------------------------------------

    def _run_dag(self) -> DemoResult:
        api = self.airflow.api
        for name, fields in self.service.connections().items():
            api.put_connection(name, fields)
        api.wait_for_dag(DAG_ID)
        task_order = topological_order(api.downstream_tasks(DAG_ID))
        api.unpause(DAG_ID)
        run_id = api.trigger(DAG_ID, {"workspace": self._workspace.as_uri()})
        connection = self.service.connections()["dlaas_default"]
        with Client(connection["host"], connection["login"], connection["password"], timeout=CLIENT_TIMEOUT) as client:
            state = self._follow_run(run_id, task_order, client, datetime.now(timezone.utc))
        self._wait_until_started(*self._pending_steps)
        return self._build_result(run_id, state)

    def _follow_run(self, run_id: str, task_order: list[str], client: Client, since: datetime) -> str:
        """Show the run until its end; return its final state."""
        api = self.airflow.api
        notes: dict[str, str] = {}
        last_reads: dict[str, tuple[float, str | None]] = {}
        deadline = time.monotonic() + RUN_TIMEOUT
        while True:
            self._advance_steps()
            self._require_running()
            state = api.run_state(DAG_ID, run_id)
            tasks = api.tasks(DAG_ID, run_id)
            for task in tasks:
                self._read_log(run_id, task, notes, last_reads)
            log_line = next((notes[task.task_id] for task in reversed(tasks) if notes.get(task.task_id)), "")
            self._update_view(
                rows=task_rows(map(_with_elapsed_seconds, tasks), task_order, notes),
                log_line=log_line,
                **_training_fields(client, since),
            )
            if state in FINAL_RUN_STATES:
                return state
            if time.monotonic() > deadline:
                raise HostError(
                    f"The DAG run has not ended after {RUN_TIMEOUT:.0f} s; see {api.run_url(DAG_ID, run_id)}"
                )
            time.sleep(POLL_INTERVAL)

    def _read_log(
        self,
        run_id: str,
        task: TaskInstanceInfo,
        notes: dict[str, str],
        last_reads: dict[str, tuple[float, str | None]],
    ) -> None:
        """Store the last line of the log of a started task in *notes*, for the last time after the task has ended."""
        if task.state is None or task.try_number < 1 or task.started is None:
            return
        read_at, old_state = last_reads.get(task.task_id, (0.0, None))
        is_recent = time.monotonic() - read_at < LOG_POLL_INTERVAL
        if old_state == task.state and (task.state in FINAL_TASK_STATES or is_recent):
            return
        last_reads[task.task_id] = time.monotonic(), task.state
        if lines := task_log_lines(self.airflow.api.log(DAG_ID, run_id, task.task_id, task.try_number)):
            notes[task.task_id] = lines[-1].replace(f"{self._workspace.as_uri()}/{run_id}", "…")

    def _build_result(self, run_id: str, state: str) -> DemoResult:
        api = self.airflow.api
        failure = ""
        if state != "success":
            failed = [task for task in api.tasks(DAG_ID, run_id) if task.state == "failed"]
            for task in failed[:1]:
                lines = task_log_lines(api.log(DAG_ID, run_id, task.task_id, task.try_number))
                failure = f"The task {task.task_id} failed. Its log ends with:\n" + "\n".join(lines[-25:])
        return DemoResult(
            state,
            self._view.rows,
            api.xcom(DAG_ID, run_id, "evaluate"),
            api.xcom(DAG_ID, run_id, "fetch_model"),
            api.run_url(DAG_ID, run_id),
            failure,
        )

    def _require_running(self) -> None:
        if failure := self.airflow.failure_message() or self.service.failure_message():
            raise HostError(failure)

    def _update_view(self, **changes: Any) -> None:
        self._view = replace(self._view, **changes)
        self._display.show(self._view)


def _training_fields(client: Client, since: datetime) -> dict[str, str]:
    """Return the fields of the view about the newest training since *since*; empty if there is none or no response."""
    try:
        newest = client.send(calls.list_trainings(limit=1)).resources
    except DlaasError:
        return {}
    if not newest or newest[0].status.submitted_at < since:
        return {}
    return {"training": training_line(newest[0]), "metrics": metrics_line(newest[0])}


def _with_elapsed_seconds(task: TaskInstanceInfo) -> TaskInstanceInfo:
    """Return *task* with the seconds since its start, if Airflow does not report them yet."""
    if task.seconds is not None or task.started is None or task.state in FINAL_TASK_STATES:
        return task
    return replace(task, seconds=(datetime.now(timezone.utc) - datetime.fromisoformat(task.started)).total_seconds())


def create_processes(
    home: Path, dags: Path, *, airflow_port: int, port: int, objectstore_port: int
) -> tuple[ServiceProcess, RealAirflow]:
    """Make the service and the Airflow of a demo in *home*; starts neither."""
    return (
        ServiceProcess(home / "service", port=port, objectstore_port=objectstore_port),
        RealAirflow(home / "airflow", dags, port=airflow_port),
    )
