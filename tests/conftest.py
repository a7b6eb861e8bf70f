"""Fixtures for real servers, and the hooks of `tests.running`."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from pydantic import SecretStr

from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.demo import ports
from tests import npm, postgresql
from tests.running import (  # noqa: F401 - hooks of pytest
    let_examples_take_their_time,
    own_airflow_home,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_call,
    pytest_terminal_summary,
    pytest_xdist_make_scheduler,
)

if TYPE_CHECKING:
    from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift
    from tests.keystone.cloud import Cloud
    from tests.object_stores.cases import StoreCase

own_airflow_home()  # here, because the conftest.py files below import Airflow
let_examples_take_their_time()

START = 60.0
"""The most seconds for the start of a service on a busy machine; it usually takes two."""

STOP = 60.0
"""The most seconds for the end of a service on a busy machine; it usually takes one."""

TEST_RUNTIME = """
[[runtime]]
framework = "tensorflow"
version = "test"
provides = "the interpreter that runs the tests"
kind = "venv"
python = "{bin}"
"""


class ServiceProcess:
    """`airflow-dlaas serve` in *home*, at ports that stay the same over restarts, with the tests' own interpreter."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.log = home.with_name(f"{home.name}.log")
        self.catalogue = home.with_name(f"{home.name}.toml")
        self.catalogue.write_text(TEST_RUNTIME.format(bin=Path(sys.executable).parent))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("DLAAS_")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment = inherited | {
            "DLAAS_HOME": str(home),
            "DLAAS_PORT": str(free_port()),
            "DLAAS_OBJECTSTORE_PORT": str(free_port()),
            "DLAAS_GPUS": "virtual:4",
            "DLAAS_CATALOGUE": str(self.catalogue),
            **settings,
        }
        self.greeting = ""
        self.ready_after = 0.0
        """Seconds from the start of the process to its greeting."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and return after its message that it is ready."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow_dlaas.cli", "serve"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START)
        self.greeting = self._process.stdout.readline().decode() if ready else ""
        self.ready_after = time.monotonic() - begun
        assert "is ready" in self.greeting, self.log.read_text()

    def kill(self) -> None:
        """Send SIGKILL, as the kernel does when there is no memory left."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Send SIGTERM; return the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdout is not None
        process.send_signal(number)
        try:
            return process.wait(STOP)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return the file that the service wrote for `airflow connections import`."""
        found: dict[str, dict[str, Any]] = json.loads((self.home / "connections.json").read_text())
        return found

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Yield a client with valid credentials."""
        known = self.connections()["dlaas_default"]
        with Client(known["host"], known["login"], known["password"]) as opened:
            yield opened

    def console(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the console script against the service, with *stdin* as its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "airflow_dlaas.cli", *arguments],
            env=self.environment | {"COLUMNS": "200", "NO_COLOR": "1"},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,  # most of it is for imports, on a busy machine
        )

    def learners(self) -> list[psutil.Process]:
        """Return the processes that use its home folder, without itself and its child processes."""
        below = (
            {self.pid, *(one.pid for one in psutil.Process(self.pid).children(recursive=True))} if self.up else set()
        )
        return [one for one in self.processes() if one.pid not in below]

    def processes(self) -> list[psutil.Process]:
        """Return all processes that have the home folder in their command line."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if one.status() != psutil.STATUS_ZOMBIE and any(str(self.home) in word for word in one.cmdline()):
                    found.append(one)
        return found

    @property
    def up(self) -> bool:
        """Whether it was started, and not stopped or killed by this object."""
        return self._process is not None

    def close(self) -> None:
        """Stop it, and kill all processes that use its home folder."""
        if self.up:
            self.stop()
        for one in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A running service for all tests: they must not depend on the absence of other trainings."""
    process = ServiceProcess(tmp_path_factory.mktemp("service") / "home")
    with contextlib.closing(process):
        process.start()
        yield process


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[ServiceProcess]:
    """A service for one test, which the test starts, kills and starts again."""
    with contextlib.closing(ServiceProcess(tmp_path / "home")) as process:
        yield process


@pytest.fixture(scope="session")
def embedded_swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedSwift]:
    """A real Swift for all tests."""
    from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift

    folder = tmp_path_factory.mktemp("swift")
    with EmbeddedSwift(folder, port=free_port(), user="dlaas:trainer", key="made-up-key-of-the-tests") as store:
        yield store


@pytest.fixture(scope="session")
def swift(embedded_swift: EmbeddedSwift) -> SwiftStoreConnection:
    """The connection to that Swift: each test uses its own container."""
    access = embedded_swift.login
    return SwiftStoreConnection(auth_url=access.auth_url, user_id=access.user, password=SecretStr(access.key))


@pytest.fixture(scope="session")
def swift_case(swift: SwiftStoreConnection, embedded_swift: EmbeddedSwift) -> StoreCase:
    """That Swift, for the suites of all object stores."""
    from tests.object_stores import cases

    return cases.swift_case(swift, embedded_swift)


@pytest.fixture(scope="session")
def embedded_s3_case(embedded_swift: EmbeddedSwift) -> StoreCase:
    """That Swift, as S3 clients see it."""
    from tests.object_stores import cases

    return cases.embedded_s3_case(embedded_swift)


@pytest.fixture(scope="session")
def moto_case() -> Iterator[StoreCase]:
    """The S3 of moto."""
    from tests.object_stores import cases

    with cases.moto_case() as case:
        yield case


@pytest.fixture(scope="session")
def gcs_case() -> Iterator[StoreCase]:
    """The emulator of Google Cloud Storage."""
    from tests.object_stores import cases

    with cases.gcs_case() as case:
        yield case


@pytest.fixture(scope="session")
def postgresql_or_none() -> Iterator[str | None]:
    """The URL of a PostgreSQL for all tests; None if it is not installed."""
    with postgresql.server() as url:
        yield url


@pytest.fixture
def postgresql_schema(postgresql_or_none: str | None) -> Iterator[str]:
    """The URL of an empty schema on PostgreSQL; without PostgreSQL, the test is skipped."""
    if postgresql_or_none is None:
        pytest.skip(postgresql.ABSENT)
    with postgresql.schema(postgresql_or_none) as url:
        yield url


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A real Keystone v3 with a real Swift for all tests; if it cannot be installed, the tests are skipped."""
    from tests.keystone.cloud import running
    from tests.keystone.environment import ensure

    with running(ensure(), tmp_path_factory.mktemp("cloud"), port=free_port(), store_port=free_port()) as started:
        yield started


@pytest.fixture(scope="session")
def keystone(cloud: Cloud) -> SwiftStoreConnection:
    """The connection to that Swift: each test uses its own container."""
    return cloud.connection


@pytest.fixture(scope="session")
def keystone_case(keystone: SwiftStoreConnection) -> StoreCase:
    """The Swift with Keystone, for the suites of all object stores."""
    from tests.object_stores import cases

    return cases.swift_case(keystone)


@pytest.fixture(scope="session")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources of the pages in Airflow's UI, with the packages that build and check them."""
    return npm.installed(tmp_path_factory.mktemp("ui"))


def free_port() -> int:
    """Return a port that was free a moment ago."""
    return ports.find_free_ports()[0]
