"""A service that dies where a test wants it to, and is started again."""

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
"""Seconds an answer may take: longer than a request waits for a locked database."""

TOKEN = "/v3/identity/token"

DEATH = 60.0
"""Seconds a process may take to be gone after its socket is, on a machine that does a lot else."""

UNANSWERED = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
"""What a client sees of a service that dies before, or in the middle of, its answer."""


class MortalService(ServiceProcess):
    """
    `airflow-dlaas serve` behind a fuse, in *home*; without its own Swift, since starting that takes longest.

    Its processes are forks of one that has everything imported.
    """

    def __init__(self, home: Path, **settings: str) -> None:
        known = {one.name for one in fields(Settings)}
        opened = {"DLAAS_OBJECT_STORES": "any"} if "object_stores" in known else {}  # tests' stores are on loopback
        super().__init__(home, **{"DLAAS_OBJECTSTORE": "off", **opened, **settings})
        self.environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.fuse = Fuse(home.with_name(f"{home.name}.fuse"))
        self.deaths = 0
        """How often it was killed."""
        self._pid: int | None = None
        self._words: int | None = None
        """Where the present process and its forebear speak."""
        self._buffer = ""
        self._address: dict[str, Any] = {}
        self._token: str | None = None
        """Good for every service of this home: restarts do not log anybody out."""

    @property
    def pid(self) -> int:
        assert self._pid is not None
        return self._pid

    @property
    def up(self) -> bool:
        return self._pid is not None

    def start(self) -> None:
        """Start it, and again if it dies of its fuse on the way."""
        begun = time.monotonic()
        while not self.up:
            self._order()
            said = self._hear(START)
            if said.startswith("ended"):
                self._buried(said)
            else:
                self.greeting = said
        self.ready_after = time.monotonic() - begun
        self._address = self.connections()["dlaas_default"]

    def restart(self, **settings: str) -> None:
        """Kill it, and start it with other settings."""
        if self.up:
            self.kill()
        self.environment |= settings
        self.start()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):  # its fuse was quicker
            os.kill(self.pid, signal.SIGKILL)
        self.bury()
        self.fuse.drop_reached()

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        said = self._hear(START)
        self._forget()
        return int(said.removeprefix("ended "))

    def freeze(self, seconds: float) -> None:
        """Stop it for some time, as a debugger or a laptop's lid does."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(self.pid, signal.SIGCONT)

    def bury(self, seconds: float = DEATH) -> None:
        """Wait for its death; it must be a kill."""
        self._buried(self._hear(seconds))

    @property
    def dead(self) -> bool:
        """Whether it has died (and was not started again)."""
        return bool(self._buffer) or bool(select.select([self._words], [], [], 0)[0])

    def send(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send one request; one of `UNANSWERED` where no answer came, or half of one."""
        known = self._address
        if self._token is None:
            login = (known["login"], known["password"])
            self._token = requests.get(known["host"] + TOKEN, auth=login, timeout=ANSWER).json()["token"]
        headers = {"Authorization": f"Bearer {self._token}"} | ({"Idempotency-Key": key} if key else {})
        url = path if path.startswith("http") else known["host"] + path
        return requests.request(method, url, headers=headers, timeout=ANSWER, **body)

    def ask(self, method: str, path: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """Send a request until it is answered, starting the service again where it died of its fuse meanwhile."""
        while True:
            with contextlib.suppress(*UNANSWERED):
                return self.send(method, path, key=key, **body)
            self.bury()
            self.start()

    def workers(self, training_id: str) -> list[psutil.Process]:
        """Every process of a training: its learner, and what has its folder in its environment."""
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
        self._words, words = os.pipe()
        with self.log.open("ab") as log:
            socket.send_fds(nursery(), [order], [words, log.fileno()])
        os.close(words)
        self._pid = int(self._hear(START).removeprefix("pid "))

    def _hear(self, seconds: float) -> str:
        """Read the next line."""
        assert self._words is not None
        until = time.monotonic() + seconds
        while "\n" not in self._buffer:
            ready, _, _ = select.select([self._words], [], [], max(0, until - time.monotonic()))
            said = os.read(self._words, 4096).decode() if ready else ""
            assert said, f"nothing was heard for {seconds:.0f} s\n{self.log.read_text()[-4000:]}"
            self._buffer += said
        line, _, self._buffer = self._buffer.partition("\n")
        return line

    def _buried(self, said: str) -> None:
        assert said == f"ended {-signal.SIGKILL}", f"{said}\n{self.log.read_text()[-4000:]}"
        self.deaths += 1
        self._forget()

    def _forget(self) -> None:
        assert self._words is not None
        os.close(self._words)
        self._pid = self._words = None


@functools.cache
def nursery() -> socket.socket:
    """Where services are ordered; it ends with this process."""
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
    """Put *connection* as a definition has it."""
    assert connection.password is not None
    return {
        "auth_url": str(connection.auth_url),
        "userId": str(connection.user_id),
        "password": connection.password.get_secret_value(),
    }
