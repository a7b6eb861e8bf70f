"""A service that is killed at points that a test selects, and is started again."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import psutil
import requests

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.service.config.settings import Settings
from tests.chaos.service.faults import Fuse
from tests.conftest import START, ServiceProcess

ROOT = Path(__file__).parents[3]

ANSWER = 40.0
"""Seconds that a response may take: longer than a request waits for a locked database."""

TOKEN = "/v3/identity/token"

DEATH = 60.0
"""Seconds from the end of a process's socket to its end, on a busy machine."""

UNANSWERED = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""Errors of a client if the service is killed before or during its response."""


class MortalService(ServiceProcess):
    """
    `airflow-dlaas serve` with a fuse, in *home*; without the embedded Swift, whose start takes longest.

    Its processes are forks of one process that has imported everything.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        known = {one.name for one in fields(Settings)}
        opened = (
            {"DLAAS_OBJECT_STORES": "any"} if "object_stores" in known else {}
        )  # the stores of the tests are on loopback
        super().__init__(home, **{"DLAAS_OBJECTSTORE": "off", **opened, **settings})
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.fuse = Fuse(home.with_name(f"{home.name}.fuse"))
        self.deaths = 0
        """Number of kills."""
        self._pid: int | None = None
        self._reports: int | None = None
        """The pipe to which the current process and its parent write."""
        self._buffer = ""
        self._address: dict[str, Any] = {}
        self._token: str | None = None
        """Valid for every service of this data directory: restarts do not invalidate tokens."""

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    @property
    def up(self) -> bool:
        return self._pid is not None

    def start(self) -> None:
        """Start the service; start it again if its fuse kills it meanwhile."""
        begun = time.monotonic()
        while not self.up:
            self._order()
            report = self._read_report(START)
            if report.startswith("ended"):
                self._require_killed(report)
            else:
                self.greeting = report
        self.ready_after = time.monotonic() - begun
        self._address = self.connections()["dlaas_default"]

    def restart(self, **settings: str) -> None:
        """Kill the service, and start it with other settings."""
        if self.up:
            self.kill()
        self.environment |= settings
        self.start()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # its fuse has killed it before
            os.kill(self.pid, signal.SIGKILL)
        self.bury()
        self.fuse.drop_reached()

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        report = self._read_report(START)
        self._forget()
        return int(report.removeprefix("ended "))

    def freeze(self, seconds: float) -> None:
        """Suspend the service for some time."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.pid, signal.SIGCONT)

    def bury(self, seconds: float = DEATH) -> None:
        """Wait until the service has ended; it must have been killed."""
        self._require_killed(self._read_report(seconds))

    @property
    def dead(self) -> bool:
        """Whether the service has ended (and was not started again)."""
        return bool(self._buffer) or bool(select.select([self._reports], [], [], 0)[0])

    def send(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send one request; raise one of `UNANSWERED` if there was no complete response."""
        known = self._address
        if self._token is None:
            login = (known["login"], known["password"])
            self._token = requests.get(known["host"] + TOKEN, auth=login, timeout=ANSWER).json()["token"]
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
        url = path if path.startswith("http") else known["host"] + path
        return requests.request(method, url, headers=headers, timeout=ANSWER, **body)

    def ask(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send a request until there is a response; start the service again if its fuse killed it meanwhile."""
        while True:
            with contextlib.suppress(*UNANSWERED):
                return self.send(method, path, key=key, **body)
            self.bury()
            self.start()

    def workers(self, training_id: str) -> list[psutil.Process]:
        """Return the processes of a training: its learner, and those with its job directory in their environment."""
        folder = str(self.home / "jobs" / training_id)
        return [one for one in psutil.process_iter() if _works_in(one, folder)]

    def close(self) -> None:
        self.fuse.disarm()
        if self.up:
            self.kill()
        for one in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    # -- its process ---------------------------------------------------------

    def _order(self) -> None:
        order = json.dumps({"environment": self.environment, "fuse": str(self.fuse.path)}).encode()
        self._reports, reports = os.pipe()
        with self.log.open("ab") as log:
            socket.send_fds(nursery(), [order], [reports, log.fileno()])
        os.close(reports)
        self._pid = int(self._read_report(START).removeprefix("pid "))

    def _read_report(self, seconds: float) -> str:
        """Return the next line."""
        assert self._reports is not None
        until = time.monotonic() + seconds
        while "\n" not in self._buffer:
            ready, _, _ = select.select([self._reports], [], [], max(0, until - time.monotonic()))
            report = os.read(self._reports, 4096).decode() if ready else ""
            assert report, f"no report within {seconds:.0f} s\n{self.log.read_text()[-4000:]}"
            self._buffer += report
        line, _, self._buffer = self._buffer.partition("\n")
        return line

    def _require_killed(self, report: str) -> None:
        assert report == f"ended {-signal.SIGKILL}", f"{report}\n{self.log.read_text()[-4000:]}"
        self.deaths += 1
        self._forget()

    def _forget(self) -> None:
        assert self._reports is not None
        os.close(self._reports)
        self._pid = self._reports = None


@functools.cache
def nursery() -> socket.socket:
    """Return the socket for orders of services; their parent process ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.chaos.service.victim"]
    with theirs:
        _NURSERIES.append(subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.DEVNULL))
    atexit.register(_close, ours)
    return ours


_NURSERIES: list[subprocess.Popen[bytes]] = []


def _close(orders: socket.socket) -> None:
    orders.close()
    for one in _NURSERIES:
        one.wait(DEATH)


def _works_in(process: psutil.Process, folder: str) -> bool:
    try:
        named = folder in process.cmdline() or process.environ().get("JOB_STATE_DIR") == folder
        return named and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def wire(connection: StoreConnection) -> dict[str, str]:
    """Return *connection* as in a training definition."""
    assert connection.password is not None
    return {
        "auth_url": str(connection.auth_url),
        "userId": str(connection.user_id),
        "password": connection.password.get_secret_value(),
    }
