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
from airflow_dlaas.demo.airflow_api import FINAL_RUN_STATES, TaskView
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.display import Display
from airflow_dlaas.demo.service_process import ServiceChild
from airflow_dlaas.demo.view_model import ENDED, Picture, Row, Step, numbers_line, order, rows, said, training_line
from airflow_dlaas.exceptions import DlaasError, HostError

DAG = "nightly_retrain"

RUNTIME = ("tensorflow", "2.21")
"""What the example DAG trains with; made ready while Airflow starts, since both take half a minute."""

LOOK_EVERY = 0.25
"""Seconds between two looks at what goes on."""

LOG_EVERY = 2.0
"""Seconds between two readings of a running task's log: Airflow reads the whole file for each."""

CLIENT_TIMEOUT = (2.0, 5.0)
"""Seconds the service has for an answer about the training: without one, there is the next look."""

RUN_LIMIT = 1800.0
"""Seconds the DAG run may take; it takes about one minute, and the installation of a framework may come on top."""


@dataclass(frozen=True)
class Outcome:
    """How the DAG run ended."""

    state: str
    rows: tuple[Row, ...]
    accuracy: Any
    model: Any
    url: str
    failure: str = ""
    """Of a run that failed: the task that did, and the last lines of its log."""


class Story:
    """One demo, from nothing running to a DAG run that has ended. `close` stops all that was started."""

    def __init__(self, service: ServiceChild, airflow: RealAirflow, workspace: Path, display: Display) -> None:
        self.service = service
        self.airflow = airflow
        self._workspace = workspace
        self._display = display
        self._picture = Picture()
        self._began = time.monotonic()
        self._under_way: dict[str, Iterator[str]] = {}
        self._stack = ExitStack()

    def tell(self) -> Outcome:
        """Do it all; raises `HostError` when a part of it can't be started or ends by itself."""
        self._stack.callback(self.service.stop)
        self._stack.callback(self.airflow.stop)
        framework, version = RUNTIME
        self._start("Training service", self.service.starting())
        self._start(f"Environment for {framework} {version}", self.service.preparing(framework, version))
        self._start("Airflow", self.airflow.starting())
        # The environment may take its time: the first tasks don't need it.
        self._until_started("Training service", "Airflow")
        return self._run()

    def look_on(self) -> None:
        """Keep it all running; raises `HostError` when a part ends by itself, and never returns otherwise."""
        while True:
            self._all_well()
            time.sleep(1)

    def close(self) -> None:
        """Stop everything; returns when no process is left."""
        # Airflow's shutdown and the service's take seconds each: both are asked before either is waited for.
        self.airflow.release()
        self.service.release()
        self._stack.close()

    # -- starting ----------------------------------------------------------------

    def _start(self, name: str, work: Iterator[str]) -> None:
        self._under_way[name] = work
        self._paint(steps=(*self._picture.steps, Step(name, "running")))

    def _until_started(self, *names: str) -> None:
        while any(name in self._under_way for name in names):
            self._advance()
            time.sleep(LOOK_EVERY)

    def _advance(self) -> None:
        """Let each thing that is starting take one step."""
        for name, work in list(self._under_way.items()):
            try:
                step = Step(name, "running", next(work))
            except StopIteration:
                step = Step(name, "done")
                del self._under_way[name]
            except HostError as error:
                self._put(Step(name, "failed", str(error).splitlines()[0]))
                raise
            self._put(step)

    def _put(self, step: Step) -> None:
        timed = replace(step, seconds=time.monotonic() - self._began)
        self._paint(steps=tuple(timed if one.name == step.name else one for one in self._picture.steps))

    # -- the run -------------------------------------------------------------------

    def _run(self) -> Outcome:
        api = self.airflow.api
        for name, fields in self.service.connections().items():
            api.put_connection(name, fields)
        api.wait_for_dag(DAG)
        tasks = order(api.edges(DAG))
        api.unpause(DAG)
        run_id = api.trigger(DAG, {"workspace": self._workspace.as_uri()})
        access = self.service.connections()["dlaas_default"]
        with Client(access["host"], access["login"], access["password"], timeout=CLIENT_TIMEOUT) as client:
            state = self._watch(run_id, tasks, client, datetime.now(timezone.utc))
        self._until_started(*self._under_way)
        return self._outcome(run_id, state)

    def _watch(self, run_id: str, tasks: list[str], client: Client, since: datetime) -> str:
        """Show the run until it has ended; returns its state."""
        api = self.airflow.api
        notes: dict[str, str] = {}
        read: dict[str, tuple[float, str | None]] = {}
        deadline = time.monotonic() + RUN_LIMIT
        while True:
            self._advance()
            self._all_well()
            state = api.run_state(DAG, run_id)
            views = api.tasks(DAG, run_id)
            for view in views:
                self._read_log(run_id, view, notes, read)
            last = next((notes[view.task_id] for view in reversed(views) if notes.get(view.task_id)), "")
            self._paint(rows=rows(map(_timed, views), tasks, notes), line=last, **_training(client, since))
            if state in FINAL_RUN_STATES:
                return state
            if time.monotonic() > deadline:
                raise HostError(f"The DAG run has not ended after {RUN_LIMIT:.0f} s; see {api.run_url(DAG, run_id)}")
            time.sleep(LOOK_EVERY)

    def _read_log(
        self, run_id: str, view: TaskView, notes: dict[str, str], read: dict[str, tuple[float, str | None]]
    ) -> None:
        """Keep the last line of the log of a task at work, and once more when it has ended."""
        if view.state is None or view.try_number < 1 or view.started is None:
            return
        when, then = read.get(view.task_id, (0.0, None))
        if then == view.state and (view.state in ENDED or time.monotonic() - when < LOG_EVERY):
            return
        read[view.task_id] = time.monotonic(), view.state
        if lines := said(self.airflow.api.log(DAG, run_id, view.task_id, view.try_number)):
            notes[view.task_id] = lines[-1].replace(f"{self._workspace.as_uri()}/{run_id}", "…")

    def _outcome(self, run_id: str, state: str) -> Outcome:
        api = self.airflow.api
        failure = ""
        if state != "success":
            failed = [view for view in api.tasks(DAG, run_id) if view.state == "failed"]
            for view in failed[:1]:
                lines = said(api.log(DAG, run_id, view.task_id, view.try_number))
                failure = f"The task {view.task_id} failed. Its log ends with:\n" + "\n".join(lines[-25:])
        return Outcome(
            state,
            self._picture.rows,
            api.xcom(DAG, run_id, "evaluate"),
            api.xcom(DAG, run_id, "fetch_model"),
            api.run_url(DAG, run_id),
            failure,
        )

    def _all_well(self) -> None:
        if failure := self.airflow.failure() or self.service.failure():
            raise HostError(failure)

    def _paint(self, **parts: Any) -> None:
        self._picture = replace(self._picture, **parts)
        self._display.show(self._picture)


def _training(client: Client, since: datetime) -> dict[str, str]:
    """What to paint of the newest training since *since*; nothing while there is none, or while the service is busy."""
    try:
        newest = client.send(calls.list_trainings(limit=1)).resources
    except DlaasError:
        return {}
    if not newest or newest[0].status.submitted_at < since:
        return {}
    return {"training": training_line(newest[0]), "numbers": numbers_line(newest[0])}


def _timed(view: TaskView) -> TaskView:
    """*view* with its seconds so far, where Airflow has not counted them yet."""
    if view.seconds is not None or view.started is None or view.state in ENDED:
        return view
    return replace(view, seconds=(datetime.now(timezone.utc) - datetime.fromisoformat(view.started)).total_seconds())


def service_and_airflow(
    home: Path, dags: Path, *, airflow_port: int, port: int, objectstore_port: int
) -> tuple[ServiceChild, RealAirflow]:
    """The two of a demo in *home*, not started."""
    return (
        ServiceChild(home / "service", port=port, objectstore_port=objectstore_port),
        RealAirflow(home / "airflow", dags, port=airflow_port),
    )
