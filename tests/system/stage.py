"""A real Airflow and a real service, with the actions and observations of the system tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import psutil
from pydantic import SecretStr

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.contract.training import Training
from airflow_dlaas.demo import ports
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.demo.process_guard import ProcessGuard
from airflow_dlaas.demo.service_process import ServiceProcess
from airflow_dlaas.packaging import archive
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.chaos.checkpoints.code import train
from tests.conftest import TEST_RUNTIME
from tests.conftest import ServiceProcess as StandaloneService  # of one test, without a process guard
from tests.postgresql import airflow_database
from tests.system import auth, versioned_bundle
from tests.system.auth import Guarded

EXAMPLE_DAGS = Path(__file__).parents[2] / "example_dags"
OWN_DAGS = Path(__file__).parent / "dags"

T = TypeVar("T")

HOLD = (
    "echo holding; while [ ! -e $CHECKPOINT_DIR/go ]; do sleep 0.2; done; echo released; exit $(cat $CHECKPOINT_DIR/go)"
)
"""A command that waits for `Run.release`, and ends with the exit code given there."""

WAIT_TIMEOUT = 180.0
"""Seconds after which a wait fails, on a machine with high load."""


@dataclass
class Stage:
    """Runs of the DAGs in ``dags/holds.py``."""

    airflow: RealAirflow
    client: Client
    home: Path
    """The home folder of the service."""
    location: str

    def begin(self, dag_id: str, command: str = HOLD) -> Run:
        """Start a run of *dag_id*."""
        self.airflow.api.wait_for_dag(dag_id)
        self.airflow.api.unpause(dag_id)
        run_id = f"{dag_id}-{time.time_ns()}"
        self.airflow.api.trigger(dag_id, {"command": command, "location": self.location}, run_id)
        return Run(self, dag_id, run_id)

    @contextmanager
    def frozen(self, component: str) -> Iterator[None]:
        """Suspend *component* of Airflow and its child processes."""
        processes = self.processes(component)
        for one in processes:
            one.suspend()
        try:
            yield
        finally:
            for one in processes:
                if one.is_running():
                    one.resume()

    def processes(self, component: str) -> list[psutil.Process]:
        """Return the processes of *component*: its own and all children."""
        return psutil.Process(self.airflow.components[component].pid).children(recursive=True)

    @contextmanager
    def second_triggerer(self) -> Iterator[None]:
        """Run a second triggerer."""
        (port,) = ports.find_free_ports(1)
        environment = self.airflow.environment | {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(port)}
        with ProcessGuard(
            [sys.executable, "-m", "airflow", "triggerer"],
            log=self.airflow.home / "components" / "triggerer-2.log",
            env=environment,
        ):
            yield

    def kill_a_worker(self) -> bool:
        """
        Kill the youngest process of a task with SIGKILL; return whether there was one.

        The command line does not identify such a process: it is a fork of a process of the executor, which is a child
        of the scheduler.
        """
        try:
            tasks = [one for each in self.program("scheduler").children() for one in each.children()]
            os.kill(max(tasks, key=psutil.Process.create_time).pid, signal.SIGKILL)
        except (psutil.NoSuchProcess, ProcessLookupError, StopIteration, ValueError):
            return False
        return True

    def program(self, component: str) -> psutil.Process:
        """Return the process of *component*; its guard may also have orphans of a killed predecessor."""
        below = psutil.Process(self.airflow.components[component].pid).children()
        return next(one for one in below if one.cmdline()[-1:] == [component])

    def restart_ended_components(self) -> Iterator[str]:
        """Restart ended components of Airflow, such as a scheduler with a locked SQLite file; yield their names."""
        for name, guard in self.airflow.components.items():
            if guard.poll() is not None:
                guard.stop()
                self.airflow.components[name] = self.airflow._start_component(name, name)
                yield name

    def kill(self, component: str) -> None:
        """Kill *component* and its child processes with SIGKILL, and restart it."""
        below = self.processes(component)
        self.airflow.components[component].kill_and_restart()
        for one in below:
            if one.is_running():
                one.kill()


@dataclass
class Run:
    """A run of a DAG with its task ``train``."""

    stage: Stage
    dag_id: str
    run_id: str

    def trainings(self) -> list[Training]:
        """Return all its trainings, oldest first."""
        listed = self.stage.client.send(calls.list_trainings(limit=1000)).resources
        return [one for one in reversed(listed) if one.entity.model_definition.name == self.run_id]

    def holding(self, *, number: int = 1) -> Training:
        """Wait until the command of training *number* runs; return the training."""

        def look() -> Training | None:
            found = self.trainings()
            if len(found) < number:
                return None
            return found[number - 1] if "holding" in self.command_log(found[number - 1]) else None

        return eventually(look, self.describe)

    def command_log(self, training: Training) -> str:
        """Return the output of the command so far."""
        path = self.stage.home / "jobs" / training.id / "log"
        return path.read_text() if path.exists() else ""

    def release(self, training: Training, code: int = 0) -> None:
        """Make the command end with exit code *code*."""
        folder = self.stage.home / "jobs" / training.id / "checkpoints"
        (folder / ".go").write_text(str(code))
        (folder / ".go").rename(folder / "go")

    def state(self, task_id: str = "train") -> str | None:
        """Return the state of a task."""
        return self.stage.airflow.api.task(self.dag_id, self.run_id, task_id).state

    def wait_for_state(self, *wanted: str, task_id: str = "train") -> str:
        """Wait until a task is in one of the states *wanted*; return the state."""
        return eventually(lambda: now if (now := str(self.state(task_id))) in wanted else None, self.describe)

    def end(self) -> str:
        """Wait for the end of the run; return its state."""
        return self.stage.airflow.api.wait_for_run(self.dag_id, self.run_id, timeout=WAIT_TIMEOUT)

    def ended(self, training: Training, *, within: float = WAIT_TIMEOUT) -> Training:
        """Wait for the end of *training*; return it."""

        def look() -> Training | None:
            now = self.stage.client.send(calls.get_training(training.id))
            return now if now.state.is_final else None

        return eventually(look, self.describe, within=within)

    def mark(self, state: str) -> None:
        """Set the state of the task, as a user does with "Mark as …"."""
        self.stage.airflow.api.set_task_state(self.dag_id, self.run_id, "train", state)

    def clear(self) -> None:
        """Clear the task, as a user does."""
        self.stage.airflow.api.clear_tasks(self.dag_id, self.run_id, ["train"])

    def delete(self) -> None:
        """Delete the run. A run that has not ended is marked failed first, as Airflow requires."""
        path = f"/dags/{quote(self.dag_id)}/dagRuns/{quote(self.run_id)}"
        if self.stage.airflow.api.run_state(self.dag_id, self.run_id) not in {"failed", "success"}:
            self.stage.airflow.api._request("PATCH", path, {"state": "failed"})
        self.stage.airflow.api._request("DELETE", path)

    def log(self, task_id: str = "train") -> str:
        """Return the logs of all tries of a task, one after the other."""
        api = self.stage.airflow.api
        tries = api.task(self.dag_id, self.run_id, task_id).try_number
        return "\n".join(
            line for number in range(1, tries + 1) for line in api.log(self.dag_id, self.run_id, task_id, number)
        )

    def xcom(self, key: str = "return_value", task_id: str = "train") -> Any:
        """Return an XCom of a task."""
        return self.stage.airflow.api.xcom(self.dag_id, self.run_id, task_id, key)

    def kill_worker(self) -> None:
        """Kill only the process in which the task runs, with SIGKILL."""
        eventually(lambda: self.stage.kill_a_worker() or None, self.describe)

    def describe(self) -> str:
        """Return the state of task and trainings and the log, for the message of a failed test."""
        trainings = [f"{one.id} {one.state}" for one in self.trainings()]
        return f"{self.dag_id}: {self.state()}, {trainings}\n{self.log()}"


def eventually(look: Callable[[], T | None], describe: Callable[[], str] = str, *, within: float = WAIT_TIMEOUT) -> T:
    """Call *look* until it returns something other than None; return that."""
    deadline = time.monotonic() + within
    while (seen := look()) is None:
        assert time.monotonic() < deadline, describe()
        time.sleep(0.3)
    return seen


FAST_HEALTH_CHECKS = {
    # Airflow detects a killed or suspended triggerer after this time. Its default, half a minute, is long for a test.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
}


USERS = {
    # More users than the demo has; one of them may not read every DAG: see `auth`.
    "AIRFLOW__CORE__AUTH_MANAGER": f"{Guarded.__module__}.{Guarded.__qualname__}",
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": auth.USERS,
    "PYTHONPATH": str(Path(__file__).parents[2]),
}


def a_service(home: Path, *, gpus: int = 16) -> ServiceProcess:
    """Return ``airflow-dlaas serve`` with its embedded Swift, virtual GPUs and a runtime without installation."""
    home.mkdir(exist_ok=True)
    catalogue = home.with_name("catalogue.toml")
    catalogue.write_text(TEST_RUNTIME.format(bin=Path(sys.executable).parent))
    port, objectstore_port = ports.find_free_ports(2)
    return ServiceProcess(
        home,
        port=port,
        objectstore_port=objectstore_port,
        settings={"DLAAS_GPUS": f"virtual:{gpus}", "DLAAS_CATALOGUE": str(catalogue)},
    )


@contextmanager
def an_airflow(home: Path, service: ServiceProcess, server_url: str | None) -> Iterator[RealAirflow]:
    """
    Airflow with all its components, the example DAGs and the DAGs of the system tests, connected to *service*.

    It has a versioned DAG bundle too, which is empty.

    Its database is on the PostgreSQL server at *server_url*, or in SQLite without one.
    """
    dags = home / "dags"
    shutil.copytree(EXAMPLE_DAGS, dags)
    shutil.copytree(OWN_DAGS, dags / "system")
    bundle = versioned_bundle.configuration(bundle_folder(home))
    with (
        airflow_database(server_url) as database,
        RealAirflow(home, dags, environment=FAST_HEALTH_CHECKS | USERS | bundle | database) as airflow,
    ):
        for name, fields in service.connections().items():
            airflow.api.put_connection(name, fields)
        yield airflow


def bundle_folder(airflow_home: Path) -> Path:
    """Return the folder of the versioned bundle of an Airflow of the system tests; see `versioned_bundle`."""
    return airflow_home / "versions"


def store_of(service: ServiceProcess) -> SwiftStore:
    """Open the embedded object store of *service*."""
    known = service.connections()["swift_default"]
    password = SecretStr(known["password"])
    return SwiftStore.open(SwiftStoreConnection(auth_url=known["host"], user_id=known["login"], password=password))


@contextmanager
def prepared(airflow: RealAirflow, service: ServiceProcess, folder: Path) -> Iterator[Stage]:
    """Create a container and an experiment; yield a stage with them."""
    known = service.connections()["dlaas_default"]
    with store_of(service) as store:
        store.create_container("holds")
    code = folder / "code"
    code.mkdir()
    (code / "main.py").write_text("")
    shutil.copy(OWN_DAGS / "code" / "curve.py", code)
    shutil.copy(Path(train.__file__), code)
    draft = ExperimentDraft.model_validate({"name": "holds", "framework": {"name": "tensorflow", "version": "test"}})
    with Client(known["host"], known["login"], known["password"]) as client:
        version = client.send(calls.create_experiment(draft)).entity.experiment_version
        client.send(calls.put_content(client.path_from_url(version.content_url), archive.pack(code)))
        yield Stage(airflow, client, service.home, client.path_from_url(version.url))


SURVIVES = "survives"
"""The DAG that uses a service of one test, which the test may end meanwhile."""


def survivor(airflow: RealAirflow, service: StandaloneService, workspace: Path, *, steps: int) -> tuple[str, Training]:
    """Start a run of `SURVIVES` on *service*; return its id, and its training as soon as that runs."""
    known = service.connections()
    airflow.api.put_connection("dlaas_own", known["dlaas_default"])
    airflow.api.put_connection("swift_own", known["swift_default"])
    airflow.api.wait_for_dag(SURVIVES)
    airflow.api.unpause(SURVIVES)
    run_id = airflow.api.trigger(SURVIVES, {"workspace": str(workspace), "steps": steps})
    with service.client() as client:

        def look() -> Training | None:
            known = client.send(calls.list_trainings()).resources
            return next((one for one in known if one.state is TrainingState.RUNNING), None)

        return run_id, eventually(look, lambda: "the training is not in state running")
