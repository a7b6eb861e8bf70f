"""A service that a test kills at a chosen point and starts again."""

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

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.service.config.settings import Settings
from tests.chaos.service.kill_points import KillPlan
from tests.conftest import START, ServiceProcess

ROOT = Path(__file__).parents[3]

RESPONSE_TIMEOUT = 40.0
"""Seconds to wait for a response: longer than a request waits for a locked database."""

TOKEN_PATH = "/v3/identity/token"

KILL_TIMEOUT = 60.0
"""Seconds from the end of a process's socket to the end of the process, on a machine with high load."""

UNANSWERED = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""The errors of a client whose service is killed before its response, or while it sends the response."""


class KillableService(ServiceProcess):
    """
    `airflow-dlaas serve` in *home* with a kill plan, without its embedded Swift, whose start takes longest.

    Its processes are forks of one process that has imported everything.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        known = {one.name for one in fields(Settings)}
        opened = {"DLAAS_OBJECT_STORES": "any"} if "object_stores" in known else {}  # tests' stores are on loopback
        super().__init__(home, **{"DLAAS_OBJECTSTORE": "off", **opened, **settings})
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.kill_plan = KillPlan(home.with_name(f"{home.name}.kill-plan"))
        self.kills = 0
        """The number of times it was killed."""
        self._pid: int | None = None
        self._messages: int | None = None
        """The reading end of the pipe with the messages of the current process and of its parent."""
        self._buffer = ""
        self._address: dict[str, Any] = {}
        self._token: str | None = None
        """Valid for every service of this home folder: a restart does not end a login."""

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    @property
    def up(self) -> bool:
        return self._pid is not None

    def start(self) -> None:
        """Start it; start it again if its kill plan kills it during the start."""
        begun = time.monotonic()
        while not self.up:
            self._request_start()
            line = self._read_line(START)
            if line.startswith("ended"):
                self._record_kill(line)
            else:
                self.greeting = line
        self.ready_after = time.monotonic() - begun
        self._address = self.connections()["dlaas_default"]

    def restart(self, **settings: str) -> None:
        """Kill it, and start it with other settings."""
        if self.up:
            self.kill()
        self.environment |= settings
        self.start()

    def kill(self) -> None:
        """Send SIGKILL, wait for the end, and drop the points that the service had reached."""
        with contextlib.suppress(ProcessLookupError):  # its kill plan has killed it already
            os.kill(self.pid, signal.SIGKILL)
        self.wait_killed()
        self.kill_plan.drop_reached()

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        os.kill(self.pid, signal.SIGTERM)
        line = self._read_line(START)
        self._close_messages()
        return int(line.removeprefix("ended "))

    def freeze(self, seconds: float) -> None:
        """Suspend it for some seconds, as a debugger or a closed laptop does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.pid, signal.SIGCONT)

    def wait_killed(self, seconds: float = KILL_TIMEOUT) -> None:
        """Wait until it has ended; fail if it was not killed."""
        self._record_kill(self._read_line(seconds))

    @property
    def was_killed(self) -> bool:
        """Whether it was killed and not started again."""
        return bool(self._buffer) or bool(select.select([self._messages], [], [], 0)[0])

    def send(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send one request; raise one of `UNANSWERED` if no response came, or a part of one."""
        known = self._address
        if self._token is None:
            login = (known["login"], known["password"])
            self._token = requests.get(known["host"] + TOKEN_PATH, auth=login, timeout=RESPONSE_TIMEOUT).json()["token"]
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
        url = path if path.startswith("http") else known["host"] + path
        return requests.request(method, url, headers=headers, timeout=RESPONSE_TIMEOUT, **body)

    def request(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send a request until there is a response; restart the service each time its kill plan has killed it."""
        while True:
            with contextlib.suppress(*UNANSWERED):
                return self.send(method, path, key=key, **body)
            self.wait_killed()
            self.start()

    def processes_of(self, training_id: str) -> list[psutil.Process]:
        """Return all processes of a training: its learner, and those with its job directory in their environment."""
        folder = str(self.home / "jobs" / training_id)
        return [one for one in psutil.process_iter() if _uses_directory(one, folder)]

    def close(self) -> None:
        self.kill_plan.clear()
        if self.up:
            self.kill()
        for one in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    # -- its process ---------------------------------------------------------

    def _request_start(self) -> None:
        request = json.dumps({"environment": self.environment, "kill_plan": str(self.kill_plan.path)}).encode()
        self._messages, messages = os.pipe()
        with self.log.open("ab") as log:
            socket.send_fds(fork_server(), [request], [messages, log.fileno()])
        os.close(messages)
        self._pid = int(self._read_line(START).removeprefix("pid "))

    def _read_line(self, seconds: float) -> str:
        """Read the next message."""
        assert self._messages is not None
        until = time.monotonic() + seconds
        while "\n" not in self._buffer:
            ready, _, _ = select.select([self._messages], [], [], max(0, until - time.monotonic()))
            received = os.read(self._messages, 4096).decode() if ready else ""
            assert received, f"no message from the service for {seconds:.0f} s\n{self.log.read_text()[-4000:]}"
            self._buffer += received
        line, _, self._buffer = self._buffer.partition("\n")
        return line

    def _record_kill(self, line: str) -> None:
        assert line == f"ended {-signal.SIGKILL}", f"{line}\n{self.log.read_text()[-4000:]}"
        self.kills += 1
        self._close_messages()

    def _close_messages(self) -> None:
        assert self._messages is not None
        os.close(self._messages)
        self._pid = self._messages = None


@functools.cache
def fork_server() -> socket.socket:
    """Return the socket of the fork server, which starts the services and ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.chaos.service.forked_service"]
    with theirs:
        _FORK_SERVERS.append(subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.DEVNULL))
    atexit.register(_close, ours)
    return ours


_FORK_SERVERS: list[subprocess.Popen[bytes]] = []


def _close(start_requests: socket.socket) -> None:
    start_requests.close()
    for one in _FORK_SERVERS:
        one.wait(KILL_TIMEOUT)


def _uses_directory(process: psutil.Process, folder: str) -> bool:
    try:
        named = folder in process.cmdline() or process.environ().get("JOB_STATE_DIR") == folder
        return named and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def connection_document(connection: SwiftStoreConnection) -> dict[str, str]:
    """Return *connection* in the form that a definition has."""
    assert connection.password is not None
    return {
        "auth_url": str(connection.auth_url),
        "userId": str(connection.user_id),
        "password": connection.password.get_secret_value(),
    }
