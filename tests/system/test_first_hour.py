"""
The README's first hour, from a wheel in fresh environments: its commands, word by word, end with a trained model.

Each task of the run is executed on a machine of its own, as far as files go: see `tests.system.separate_machines`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_dlaas.demo import ports
from airflow_dlaas.demo.airflow_api import AirflowApi
from airflow_dlaas.demo.process_guard import ProcessGuard
from airflow_dlaas.service.runtimes.pip_config import with_uv_variables
from airflow_dlaas.service.runtimes.uv import find_uv
from tests.integration.service.learner.conftest import bubblewrap_works
from tests.system import separate_machines
from tests.system.stage import eventually

ROOT = Path(__file__).parents[2]

DAG = "nightly_retrain"

SERVERS = ("airflow-dlaas serve", "airflow standalone")
"""The commands of the README that do not end."""

INHERITED = ("LANG", "LC_ALL", "TZ", "PATH", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT_FILE")
"""Variables of the tests that a user's shell would have too; so are those of uv, for the sources of packages."""

PIP = """#!/bin/sh
exec {uv} pip "$@" {options}
"""
"""The command `pip` of a fresh environment: uv's, which takes a tenth of the time."""

COMMAND_TIMEOUT = 300
"""Seconds that a command may take, an installation included, on a machine with high load."""


@dataclass
class Shell:
    """A terminal of a user: a fresh virtual environment is active in it."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def open(cls, folder: Path, environment: dict[str, str], *, compile_bytecode: bool = False) -> Shell:
        """
        Make the virtual environment in *folder*.

        :param compile_bytecode: compile what is installed, as pip itself does. That pays for Airflow: else each of the
            processes that start at the same time compiles it, and each task too.
        """
        uv, programs = find_uv(), folder / "bin"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], env=environment, check=True)
        options = "--compile-bytecode" if compile_bytecode else ""
        (programs / "pip").write_text(PIP.format(uv=uv, options=options))
        (programs / "pip").chmod(0o755)
        path = os.pathsep.join([str(programs), environment["PATH"]])
        return cls(folder, environment | {"VIRTUAL_ENV": str(folder), "PATH": path})

    def run(self, command: str) -> str:
        """Run *command* to its end, which must be a success; return its output."""
        completed = subprocess.run(
            ["bash", "-c", command],
            env=self.environment,
            cwd=self.environment["HOME"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT,
        )
        assert completed.returncode == 0, f"{command}\n{completed.stdout}"
        return completed.stdout

    @contextmanager
    def server(self, command: str) -> Iterator[ProcessGuard]:
        """Run *command* during the block, without waiting for its end."""
        guard = ProcessGuard(
            ["bash", "-c", command],
            log=self.folder.with_suffix(".log"),
            env=self.environment,
            cwd=Path(self.environment["HOME"]),
        )
        try:
            yield guard
        finally:
            guard.stop()


def commands() -> list[list[str]]:
    """Return the commands of each block in the README's section about the first hour."""
    section = (ROOT / "README.md").read_text().partition("### The first hour\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [block.splitlines() for block in blocks]


def users_environment(home: Path) -> dict[str, str]:
    """Return the variables of a new user: a home folder of their own, and the same sources of packages."""
    found = with_uv_variables(os.environ)
    kept = {name: value for name, value in found.items() if name in INHERITED or name.startswith(("UV_", "PIP_"))}
    cache = subprocess.run([find_uv(), "cache", "dir"], env=found, check=True, capture_output=True, text=True)
    temporary = home.with_name("tmp")
    for folder in (home, temporary):
        folder.mkdir()
    own = str(Path(sys.executable).parent)  # a program that the wheel lacks must not be found there
    kept["PATH"] = os.pathsep.join(one for one in kept["PATH"].split(os.pathsep) if one != own)
    port, objectstore_port, airflow_port, worker_logs, trigger_logs = ports.find_free_ports(5)
    return kept | {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "UV_CACHE_DIR": cache.stdout.strip(),
        "UV_CONSTRAINT": str(ROOT / "constraints.txt"),
        # The default ports may be taken on this machine.
        "DLAAS_PORT": str(port),
        "DLAAS_OBJECTSTORE_PORT": str(objectstore_port),
        "AIRFLOW__API__HOST": ports.LOOPBACK,
        "AIRFLOW__API__PORT": str(airflow_port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{airflow_port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{airflow_port}/execution/",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",  # Airflow's own
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "NO_PROXY": "localhost,127.0.0.1",
        "no_proxy": "localhost,127.0.0.1",
    }


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of a new user, for whom pip finds the wheel of this checkout."""
    environment = users_environment(tmp_path / "home")
    wheels = tmp_path / "wheels"
    subprocess.run([find_uv(), "build", "--quiet", "--wheel", "--out-dir", wheels, ROOT], env=environment, check=True)
    links = [str(wheels), *filter(None, [environment.get("UV_FIND_LINKS")])]
    return environment | {"UV_FIND_LINKS": ",".join(links)}


def api_of(environment: dict[str, str]) -> AirflowApi:
    """Return a client of the user's Airflow, with the password that it has made."""
    passwords = Path(environment["HOME"], "airflow", "simple_auth_manager_passwords.json.generated")
    found = eventually(lambda: passwords.read_text() if passwords.exists() else None)
    return AirflowApi(environment["AIRFLOW__API__BASE_URL"], "admin", json.loads(found)["admin"])


def until_healthy(airflow: ProcessGuard, api: AirflowApi) -> None:
    """Wait until all components of Airflow are healthy."""

    def look() -> bool | None:
        assert airflow.poll() is None, airflow.tail(100)
        health = api.health()
        return True if health and set(health.values()) <= {"healthy", None} else None

    eventually(look, lambda: airflow.tail(100))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_first_hour_of_the_readme_ends_with_a_trained_model(environment: dict[str, str], tmp_path: Path) -> None:
    on_the_gpus, where_airflow_runs, in_another_terminal = commands()
    *install_service, serve = on_the_gpus
    *install_provider, standalone = where_airflow_runs
    assert (serve, standalone) == SERVERS

    service = Shell.open(tmp_path / "service", environment)
    for command in install_service:
        service.run(command)
    with service.server(serve):
        executor = tmp_path / "executor"
        machines = separate_machines.install(executor, tmp_path) if bubblewrap_works() else {}
        airflow = Shell.open(tmp_path / "provider", environment | machines, compile_bytecode=True)
        for command in install_provider:
            airflow.run(command)
        # Not from the checkout.
        assert str(airflow.folder) in airflow.run("python -c 'import airflow_dlaas; print(airflow_dlaas.__file__)'")
        connections = Path(environment["HOME"], ".airflow-dlaas", "connections.json")
        eventually(lambda: connections.exists() or None)
        with airflow.server(standalone) as process:
            api = api_of(environment)
            until_healthy(process, api)
            for command in in_another_terminal:
                airflow.run(command)
            (run,) = api._request("GET", f"/dags/{DAG}/dagRuns")["dag_runs"]  # unpausing has started none
            run_id = run["dag_run_id"]
            state = api.wait_for_run(DAG, run_id, timeout=900)
            logs = {one.task_id: api.log(DAG, run_id, one.task_id) for one in api.tasks(DAG, run_id)}
            assert state == "success", f"{logs}\n{process.tail(100)}"
            assert run["run_type"] == "manual"
            assert api.xcom(DAG, run_id, "evaluate") >= 0.95
            if machines:
                assert set(logs) <= set(separate_machines.started_tasks(executor))
            api.close()
