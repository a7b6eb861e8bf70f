"""A real Airflow: database, scheduler, DAG processor, triggerer and API server, in one folder, on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from airflow_dlaas.demo import ports
from airflow_dlaas.demo.airflow_api import AirflowApi
from airflow_dlaas.demo.process_guard import ProcessGuard
from airflow_dlaas.exceptions import HostError

if TYPE_CHECKING:
    from typing import Self


HEALTH_COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
"""The components whose health Airflow reports."""

STARTUP_POLL_INTERVAL = 0.3
"""Seconds between two health checks of an Airflow that starts."""

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")

START_TIMEOUT = 240.0
"""Seconds until a start counts as failed; Airflow needs 15 to 30 on two processors."""

GRACE_PERIOD = 4.0
"""Seconds between SIGTERM and SIGKILL. The API server may need ten, but a kill loses nothing."""

LOGIN = "admin"


class RealAirflow:
    """
    Airflow in the folder *home*, with the DAGs of the folder *dags*.

    It uses and changes nothing of another Airflow on this machine: the ``AIRFLOW_*`` variables of this process are
    removed. Each component runs under a `ProcessGuard`. Airflow listens on loopback only, and requires a password,
    which is new for each instance of this class.

    :param port: of the UI; None takes a free port.
    :param environment: variables for every component, and so for the tasks.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        parallelism: int = 8,
    ) -> None:
        self.home = home
        self.dags = dags
        *self._log_ports, free_port = ports.find_free_ports(3)
        self.port = port if port is not None else free_port
        self.url = f"http://localhost:{self.port}"
        self.login = LOGIN
        self.password = secrets.token_urlsafe(12)
        self.api = AirflowApi(self.url, self.login, self.password)
        self.environment = self._build_environment(parallelism) | dict(environment or {})
        self.components: dict[str, ProcessGuard] = {}

    def start_steps(self) -> Iterator[str]:
        """
        Start Airflow in steps: yield a description of each, and end when every component is healthy.

        The caller pauses between two steps, and can do other work there. It must call `stop` afterwards, also after an
        error.

        :raises HostError: a component ended (with the last lines of its log), or `START_TIMEOUT` has passed.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self._write_password_file()
        deadline = time.monotonic() + START_TIMEOUT
        migration = self.components["db-migrate"] = self._start_component("db-migrate", "db", "migrate")
        while (status := migration.poll()) is None:
            _require_before(deadline, "Airflow has not created its database", self._logs)
            yield "creating its database"
        if status != 0:
            raise HostError(f"Airflow could not create its database:\n{migration.tail()}")
        self.components.pop("db-migrate").stop()
        for name in COMPONENTS:
            self.components[name] = self._start_component(name, name)
        while missing := self._unhealthy_components():
            if failure := self.failure_message():
                raise HostError(failure)
            _require_before(deadline, f"Airflow's {missing} is not healthy", self._logs)
            yield f"waiting for {missing}"

    def start(self, on_progress: Callable[[str], None] = lambda _: None) -> None:
        """Start Airflow and return when every component is healthy; see `start_steps`."""
        for description in self.start_steps():
            on_progress(description)
            time.sleep(STARTUP_POLL_INTERVAL)

    def request_stop(self) -> None:
        """Begin to end every component; do not wait for its end."""
        for guard in self.components.values():
            guard.request_stop()

    def stop(self) -> None:
        """End every component and the processes below it; return when none is left."""
        self.request_stop()
        for guard in self.components.values():
            guard.stop()
        self.components.clear()
        self.api.close()

    def failure_message(self) -> str | None:
        """Return a message about a component that ended, with the end of its log, or None while all run."""
        for name, guard in self.components.items():
            if (status := guard.poll()) is not None:
                return f"Airflow's {name} ended with status {status}; {guard.log} ends with:\n{guard.tail()}"
        return None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _unhealthy_components(self) -> str:
        """Return the names of the components that are not healthy, for a message; empty when all are."""
        health = self.api.health()
        if not health:
            return "API server"
        return ", ".join(part.replace("_", " ") for part in HEALTH_COMPONENTS if health.get(part) != "healthy")

    @property
    def _logs(self) -> Path:
        return self.home / "components"

    def _start_component(self, name: str, *arguments: str) -> ProcessGuard:
        command = [sys.executable, "-m", "airflow", *arguments]
        return ProcessGuard(command, log=self._logs / f"{name}.log", env=self.environment, grace_period=GRACE_PERIOD)

    def _write_password_file(self) -> None:
        path = self._password_file
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({self.login: self.password}, file)

    @property
    def _password_file(self) -> Path:
        return self.home / "passwords.json"

    def _build_environment(self, parallelism: int) -> dict[str, str]:
        """Return the environment of this process without variables that change Airflow, and with our settings."""
        worker_logs, trigger_logs = self._log_ports
        # Without bytecode each process that Airflow starts would compile Airflow again.
        left_out = ("PYTHONDONTWRITEBYTECODE", "_AIRFLOW_", "AIRFLOW_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return inherited | {
            "PATH": search,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": str(parallelism),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.login}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self._password_file),
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": ports.LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            # A changed file is parsed at once. Parsing the others again would take most of a small machine.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            # Else Airflow would also start the latest scheduled run of a DAG when it is unpaused.
            "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
        }


def _require_before(deadline: float, problem: str, logs: Path) -> None:
    if time.monotonic() > deadline:
        raise HostError(f"{problem} after {START_TIMEOUT:.0f} s; the logs are in {logs}")
