"""The unit of systemd and the Containerfile name what exists, and keep the promises of docs/operating.md."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import typer.main

from airflow_dlaas.cli.app import app
from airflow_dlaas.service.config.read_settings import read_settings

ROOT = Path(__file__).parents[2]
UNIT = (ROOT / "deploy" / "airflow-dlaas.service").read_text()
CONTAINERFILE = (ROOT / "deploy" / "Containerfile").read_text().replace("\\\n", " ")

BREAKS_BUBBLEWRAP = (
    *("RestrictNamespaces", "ProtectProc", "ProtectKernelTunables", "SystemCallFilter", "NoNewPrivileges"),
    *("LockPersonality", "RestrictRealtime", "MemoryDenyWriteExecute", "RestrictSUIDSGID", "PrivateUsers"),
)
"""Options of a unit that forbid the namespaces and mounts of bubblewrap, or imply NoNewPrivileges."""


def unit_options() -> list[tuple[str, str]]:
    lines = [line for line in UNIT.splitlines() if "=" in line and not line.startswith("#")]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)", CONTAINERFILE, re.MULTILINE)


def test_unit_stops_no_training_and_hides_no_gpu() -> None:
    options = dict(unit_options())
    assert (options["Type"], options["KillMode"], options["Delegate"]) == ("exec", "process", "yes")
    assert options["OOMPolicy"] == "continue"
    assert not {*BREAKS_BUBBLEWRAP, "PrivateDevices"} & options.keys()
    assert options["PrivateTmp"] == "no"


def test_unit_and_containerfile_run_a_command_that_exists_with_settings_that_exist() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    program, *words = shlex.split(dict(unit_options())["ExecStart"])
    assert (Path(program).name, words) == ("airflow-dlaas", ["serve"])
    assert json.loads(instructions("CMD")[0]) == ["airflow-dlaas", "serve"]
    assert "serve" in commands
    settings = [value for name, value in unit_options() if name == "Environment"] + shlex.split(instructions("ENV")[0])
    environment = dict(one.split("=", 1) for one in settings if one.startswith("DLAAS_"))
    assert environment
    # Without a certificate the service refuses to listen beyond loopback; the operator sets one of the two.
    environment["DLAAS_INSECURE_LISTEN"] = "yes"
    assert str(read_settings(environment).home) == "/var/lib/airflow-dlaas"


def test_containerfile_copies_files_that_exist_and_opens_the_ports_of_the_service() -> None:
    for line in instructions("COPY"):
        *sources, _ = line.split()
        assert all((ROOT / source).exists() for source in sources), line
    built_from = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {source for line in instructions("COPY") for source in line.split()[:-1]}
    assert {*built_from["force-include"], *built_from.get("packages", ())} <= copied
    (health,) = re.findall(r"HEALTHCHECK .* CMD (.*)", CONTAINERFILE)
    assert json.loads(health)[1] == instructions("COPY")[-1].split()[1]
    ports = re.findall(r"DLAAS_(?:OBJECTSTORE_)?PORT=(\d+)", CONTAINERFILE)
    assert instructions("EXPOSE")[0].split() == ports


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = dict(unit_options())["ExecStart"].split()[0]
    unit = tmp_path / "airflow-dlaas.service"
    unit.write_text(UNIT.replace(program, sys.executable))  # that program is not installed here
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
