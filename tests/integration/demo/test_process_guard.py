"""Tests of process guards with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from airflow_dlaas.demo import ports
from airflow_dlaas.demo.process_guard import ProcessGuard
from airflow_dlaas.exceptions import HostError
from tests.waiting import until

FAMILY = """
import os, signal, subprocess, sys, time
if len(sys.argv) > 1:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # ignores SIGTERM, in a session of its own, without its parent
    os.setsid()
else:
    middle = os.fork()
    if middle == 0:
        subprocess.Popen([sys.executable, "-c", {script!r}, "child"])
        os._exit(0)
    os.waitpid(middle, 0)
print(os.getpid(), flush=True)
time.sleep(120)
"""
SCRIPT = FAMILY.replace("{script!r}", "SCRIPT").replace("SCRIPT", "os.environ['SCRIPT']")


@pytest.fixture
def family(tmp_path: Path):
    guard = ProcessGuard(
        [sys.executable, "-c", SCRIPT], log=tmp_path / "log", env={**os.environ, "SCRIPT": SCRIPT}, grace_period=0.5
    )
    yield guard
    guard.stop()


def members(guard: ProcessGuard, number: int = 2) -> list[int]:
    """Return the process ids in the output, once there are *number*."""
    return [int(pid) for pid in until(lambda: guard.tail().split(), lambda pids: len(pids) >= number)]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


def test_stop_ends_a_process_that_ignores_sigterm_in_its_own_session(family: ProcessGuard):
    pids = members(family)
    family.stop()
    assert not alive(pids)


def test_processes_end_when_their_owner_is_killed(tmp_path: Path):
    owner = f"""
import os, sys, time
from pathlib import Path
from airflow_dlaas.demo.process_guard import ProcessGuard
command = [sys.executable, "-c", os.environ["SCRIPT"]]
guard = ProcessGuard(command, log=Path({str(tmp_path / "log")!r}), grace_period=0.5)
while len(guard.tail().split()) < 2: time.sleep(0.05)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", owner], env={**os.environ, "SCRIPT": SCRIPT}, check=False)
    assert killed.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in (tmp_path / "log").read_text().split()]
    assert len(pids) == 2
    until(lambda: alive(pids), lambda left: not left)


def test_kill_and_restart_kills_the_program_only(family: ProcessGuard):
    before = members(family)
    family.kill_and_restart()
    now = alive(members(family, 4))
    assert len(now) == 3
    assert set(before) & set(now)


@pytest.mark.parametrize(("end", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", 143)])
def test_poll_returns_the_exit_status(tmp_path: Path, end: str, status: int):
    with ProcessGuard([sys.executable, "-c", f"import os, sys; print('bye'); {end}"], log=tmp_path / "log") as guard:
        until(lambda: guard.poll() is not None)
        assert guard.poll() == status


def test_guard_runs_in_a_session_of_its_own(family: ProcessGuard):
    assert os.getsid(family.pid) != os.getsid(0)


def test_used_port_is_named_with_its_option():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(HostError, match=f"Port {port} is already in use.*--airflow-port"):
            ports.require_free_ports({"--airflow-port": port})


def test_same_port_for_two_options_is_refused():
    port = ports.find_free_ports()[0]
    with pytest.raises(HostError, match="--one and --two"):
        ports.require_free_ports({"--one": port, "--two": port})
