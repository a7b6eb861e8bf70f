"""The demo's course: start everything at once, let the DAG run, look on until it has ended."""

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
"""What the example DAG trains with; made ready while Airflow starts, since both take half a minute."""

POLL_INTERVAL = 0.25
"""Seconds between two looks at what goes on."""

LOG_POLL_INTERVAL = 2.0
"""Seconds between two readings of a running task's log: Airflow reads the whole file for each."""

CLIENT_TIMEOUT = (2.0, 5.0)
"""Seconds the service has for an answer about the training: without one, there is the next look."""

RUN_TIMEOUT = 1800.0
"""Seconds the DAG run may take; it takes about one minute, and the installation of a framework may come on top."""


@dataclass(frozen=True)
class DemoResult:
    """How the DAG run ended."""

    state: str
    rows: tuple[TaskRow, ...]
    accuracy: Any
    model: Any
    url: str
    failure: str = ""
    """Of a run that failed: the task that did, and the last lines of its log."""


class DemoFlow:
    """One demo, from nothing running to a DAG run that has ended. `close` stops all that was started."""

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
        """Do it all; raises `HostError` when a part of it can't be started or ends by itself."""
        self._stack.callback(self.service.stop)
        self._stack.callback(self.airflow.stop)
        framework, version = RUNTIME
        self._add_step("Training service", self.service.start_steps())
        self._add_step(f"Environment for {framework} {version}", self.service.prepare_steps(framework, version))
        self._add_step("Airflow", self.airflow.start_steps())
        # The environment may take its time: the first tasks don't need it.
        self._wait_until_started("Training service", "Airflow")
        return self._run_dag()

    def wait_for_failure(self) -> None:
        """Keep it all running; raises `HostError` when a part ends by itself, and never returns otherwise."""
        while True:
            self._require_running()
            time.sleep(1)

    def close(self) -> None:
        """Stop everything; returns when no process is left."""
        # Airflow's shutdown and the service's take seconds each: both are asked before either is waited for.
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
        """Let each thing that is starting take one step."""
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
        tasks = topological_order(api.downstream_tasks(DAG_ID))
        api.unpause(DAG_ID)
        run_id = api.trigger(DAG_ID, {"workspace": self._workspace.as_uri()})
        access = self.service.connections()["dlaas_default"]
        with Client(access["host"], access["login"], access["password"], timeout=CLIENT_TIMEOUT) as client:
            state = self._follow_run(run_id, tasks, client, datetime.now(timezone.utc))
        self._wait_until_started(*self._pending_steps)
        return self._build_result(run_id, state)

    def _follow_run(self, run_id: str, tasks: list[str], client: Client, since: datetime) -> str:
        """Show the run until it has ended; returns its state."""
        api = self.airflow.api
        notes: dict[str, str] = {}
        read: dict[str, tuple[float, str | None]] = {}
        deadline = time.monotonic() + RUN_TIMEOUT
        while True:
            self._advance_steps()
            self._require_running()
            state = api.run_state(DAG_ID, run_id)
            views = api.tasks(DAG_ID, run_id)
            for view in views:
                self._read_log(run_id, view, notes, read)
            last = next((notes[view.task_id] for view in reversed(views) if notes.get(view.task_id)), "")
            self._update_view(
                rows=task_rows(map(_with_elapsed_seconds, views), tasks, notes),
                log_line=last,
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
        view: TaskInstanceInfo,
        notes: dict[str, str],
        last_reads: dict[str, tuple[float, str | None]],
    ) -> None:
        """Keep the last line of the log of a task at work, and once more when it has ended."""
        if view.state is None or view.try_number < 1 or view.started is None:
            return
        when, then = last_reads.get(view.task_id, (0.0, None))
        if then == view.state and (view.state in FINAL_TASK_STATES or time.monotonic() - when < LOG_POLL_INTERVAL):
            return
        last_reads[view.task_id] = time.monotonic(), view.state
        if lines := task_log_lines(self.airflow.api.log(DAG_ID, run_id, view.task_id, view.try_number)):
            notes[view.task_id] = lines[-1].replace(f"{self._workspace.as_uri()}/{run_id}", "…")

    def _build_result(self, run_id: str, state: str) -> DemoResult:
        api = self.airflow.api
        failure = ""
        if state != "success":
            failed = [view for view in api.tasks(DAG_ID, run_id) if view.state == "failed"]
            for view in failed[:1]:
                lines = task_log_lines(api.log(DAG_ID, run_id, view.task_id, view.try_number))
                failure = f"The task {view.task_id} failed. Its log ends with:\n" + "\n".join(lines[-25:])
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
    """What to paint of the newest training since *since*; nothing while there is none, or while the service is busy."""
    try:
        newest = client.send(calls.list_trainings(limit=1)).resources
    except DlaasError:
        return {}
    if not newest or newest[0].status.submitted_at < since:
        return {}
    return {"training": training_line(newest[0]), "metrics": metrics_line(newest[0])}


def _with_elapsed_seconds(view: TaskInstanceInfo) -> TaskInstanceInfo:
    """*view* with its seconds so far, where Airflow has not counted them yet."""
    if view.seconds is not None or view.started is None or view.state in FINAL_TASK_STATES:
        return view
    return replace(view, seconds=(datetime.now(timezone.utc) - datetime.fromisoformat(view.started)).total_seconds())


def create_processes(
    home: Path, dags: Path, *, airflow_port: int, port: int, objectstore_port: int
) -> tuple[ServiceProcess, RealAirflow]:
    """The two of a demo in *home*, not started."""
    return (
        ServiceProcess(home / "service", port=port, objectstore_port=objectstore_port),
        RealAirflow(home / "airflow", dags, port=airflow_port),
    )
