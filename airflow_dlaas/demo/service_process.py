"""The training service as a child of ours, and the environments it trains in."""

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
"""Seconds until the service counts as unable to start; it needs two or three."""

PREPARE_TIMEOUT = 1200.0
"""Seconds that making an environment may take: half a gigabyte over a slow line."""


GRACE_PERIOD = 5.0
"""Seconds a service that stops, and the trainings below it, have for it: it gives answers under way three."""


class ServiceProcess:
    """
    ``airflow-dlaas serve`` in *home*, on a `ProcessGuard`: when we end, it ends, with every training it runs.

    A port of 0 is any free one. ``DLAAS_*`` variables of ours are dropped, so that settings meant for another service
    don't reach this one; *settings* (``{"DLAAS_GPUS": "virtual:4"}``) are added.
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
        Start it bit by bit: yields what is going on, and ends when it hands out tokens.

        Raises `HostError` when it ended early or is not ready in time; `stop` is owed in any case.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connections_file.unlink(missing_ok=True)  # written anew by each start, with that start's ports
        self._service_guard = self._start_process("serve", "serve")
        deadline = time.monotonic() + START_TIMEOUT
        while not self._is_ready():
            if (status := self._service_guard.poll()) is not None:
                raise HostError(f"The service ended with status {status}:\n{self._service_guard.tail()}")
            if time.monotonic() > deadline:
                raise HostError(
                    f"The service is not ready after {START_TIMEOUT:.0f} s; its log is {self._service_guard.log}"
                )
            yield "waiting for its first token"

    def prepare_steps(self, framework: str, version: str) -> Iterator[str]:
        """
        Make an environment to train in, bit by bit: yields the last thing that was said about it.

        Needs no running service. Raises `HostError` when it can't be made.
        """
        self._prepare_guard = leash = self._start_process("prepare", "runtimes", "prepare", framework, version)
        deadline = time.monotonic() + PREPARE_TIMEOUT
        while (status := leash.poll()) is None:
            if time.monotonic() > deadline:
                raise HostError(
                    f"{framework} {version} is not installed after {PREPARE_TIMEOUT:.0f} s; see {leash.log}"
                )
            yield leash.tail(1)
        if status != 0:
            raise HostError(f"The environment for {framework} {version} could not be made:\n{leash.tail()}")

    def connections(self) -> dict[str, dict[str, Any]]:
        """The connections to it, as ``airflow connections import`` reads them: by id, with each one's fields."""
        found: dict[str, dict[str, Any]] = json.loads(self._connections_file.read_text())
        return found

    def failure_message(self) -> str | None:
        """A sentence about a service that ended by itself, or None while it runs."""
        if self._service_guard is None or (status := self._service_guard.poll()) is None:
            return None
        return f"The service ended with status {status}:\n{self._service_guard.tail()}"

    def kill_and_restart(self) -> None:
        """Kill the service with -9, leave its trainings alone, and start it again."""
        if self._service_guard is not None:
            self._service_guard.kill_and_restart()

    def request_stop(self) -> None:
        """Begin to end the service and everything it runs, without waiting."""
        for leash in (self._prepare_guard, self._service_guard):
            if leash is not None:
                leash.request_stop()

    def stop(self) -> None:
        """End the service and everything it runs; returns when nothing is left."""
        self.request_stop()
        for leash in (self._prepare_guard, self._service_guard):
            if leash is not None:
                leash.stop()
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
            # trust_env off: a proxy has no business between us and the loopback, nor has a .netrc
            with requests.Session() as session:
                session.trust_env = False
                session.max_redirects = 0
                reply = session.get(
                    f"{service['host']}/v3/identity/token", auth=(service["login"], service["password"]), timeout=5
                )
                return reply.ok
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
