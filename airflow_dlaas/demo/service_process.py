"""The training service as a child process, and the environments that its trainings need."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import requests

from airflow_dlaas.demo.process_guard import ProcessGuard
from airflow_dlaas.exceptions import HostError

if TYPE_CHECKING:
    from typing import Self


START_TIMEOUT = 60.0
"""Seconds until a start counts as failed; the service needs two or three."""

PREPARE_TIMEOUT = 1200.0
"""Seconds that an installation may take: half a gigabyte over a slow connection."""

GRACE_PERIOD = 5.0
"""Seconds between SIGTERM and SIGKILL for the service and its trainings; the service gives open requests three."""


class ServiceProcess:
    """
    ``airflow-dlaas serve`` in *home* under a `ProcessGuard`: it ends with this process, and so do its trainings.

    :param port: of the API; 0 takes a free port, here and in *objectstore_port*.
    :param settings: variables such as ``{"DLAAS_GPUS": "virtual:4"}``. The ``DLAAS_*`` variables of this process are
        removed first, because they may be settings of another service.
    """

    def __init__(
        self, home: Path, *, port: int = 0, objectstore_port: int = 0, settings: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("DLAAS_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = inherited | {
            "DLAAS_HOME": str(home),
            "DLAAS_PORT": str(port),
            "DLAAS_OBJECTSTORE_PORT": str(objectstore_port),
            **(settings or {}),
        }
        self._service_guard: ProcessGuard | None = None
        self._prepare_guard: ProcessGuard | None = None
        self._connections_file = home / "connections.json"

    def start_steps(self) -> Iterator[str]:
        """
        Start the service in steps: yield a description of each, and end when the service issues tokens.

        The caller must call `stop` afterwards, also after an error.

        :raises HostError: the service ended, or is not ready within `START_TIMEOUT`.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connections_file.unlink(missing_ok=True)  # each start writes it anew, with its ports
        self._service_guard = self._start_process("serve", "serve")
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if (status := self._service_guard.poll()) is not None:
                raise HostError(f"The service ended with status {status}:\n{self._service_guard.tail()}")
            if time.monotonic() > deadline:
                raise HostError(
                    f"The service is not ready after {START_TIMEOUT:.0f} s; its log is {self._service_guard.log}"
                )
            yield "waiting for a first token"

    def prepare_steps(self, framework: str, version: str) -> Iterator[str]:
        """
        Install an environment for trainings in steps: yield the last line of the installation's output.

        The service need not run.

        :raises HostError: the installation failed, or took longer than `PREPARE_TIMEOUT`.
        """
        self._prepare_guard = guard = self._start_process("prepare", "runtimes", "prepare", framework, version)
        deadline = time.monotonic() + PREPARE_TIMEOUT
        while (status := guard.poll()) is None:
            if time.monotonic() > deadline:
                raise HostError(
                    f"{framework} {version} is not installed after {PREPARE_TIMEOUT:.0f} s; see {guard.log}"
                )
            yield guard.tail(1)
        if status != 0:
            raise HostError(f"The environment for {framework} {version} could not be made:\n{guard.tail()}")

    def connections(self) -> dict[str, dict[str, Any]]:
        """
        Return the connections to the service in the form of ``airflow connections import``: the fields by connection
        id.
        """
        found: dict[str, dict[str, Any]] = json.loads(self._connections_file.read_text())
        return found

    @property
    def s3_url(self) -> str:
        """The endpoint of the service's object store for S3 clients."""
        endpoint: str = json.loads(self.connections()["dlaas_s3"]["extra"])["endpoint_url"]
        return endpoint

    def failure_message(self) -> str | None:
        """Return a message about a service that ended unexpectedly, or None while it runs."""
        if self._service_guard is None or (status := self._service_guard.poll()) is None:
            return None
        return f"The service ended with status {status}:\n{self._service_guard.tail()}"

    def kill_and_restart(self) -> None:
        """Kill the service with SIGKILL and start it again; its trainings keep running."""
        if self._service_guard is not None:
            self._service_guard.kill_and_restart()

    def request_stop(self) -> None:
        """Begin to end the service and its trainings; do not wait for their end."""
        for guard in (self._prepare_guard, self._service_guard):
            if guard is not None:
                guard.request_stop()

    def stop(self) -> None:
        """End the service and its trainings; return when no process is left."""
        self.request_stop()
        for guard in (self._prepare_guard, self._service_guard):
            if guard is not None:
                guard.stop()
        self._prepare_guard = self._service_guard = None

    def __enter__(self) -> Self:
        try:
            for _ in self.start_steps():
                time.sleep(0.1)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _is_ready(self) -> bool:
        if not self._connections_file.exists():
            return False
        service = self.connections()["dlaas_default"]
        try:
            # no trust_env: requests to loopback must not use a proxy or a .netrc file
            with requests.Session() as session:
                session.trust_env = False
                session.max_redirects = 0
                response = session.get(
                    f"{service['host']}/v3/identity/token", auth=(service["login"], service["password"]), timeout=5
                )
                return response.ok
        except requests.RequestException:
            return False

    def _start_process(self, name: str, *arguments: str) -> ProcessGuard:
        console = Path(sys.executable).parent / "airflow-dlaas"
        return ProcessGuard(
            [console, *arguments],
            log=self.home / "log" / f"{name}.log",
            env=self.environment,
            grace_period=GRACE_PERIOD,
        )
