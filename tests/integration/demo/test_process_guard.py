"""Real programs on a real leash."""

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
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # stubborn, in a session of its own, its parent gone
    os.setsid()
else:
    middle = os.fork()
    if middle == 0:
        subprocess.Popen([sys.executable, "-c", {script!r}, "stubborn"])
        os._exit(0)
    os.waitpid(middle, 0)
print(os.getpid(), flush=True)
time.sleep(120)
"""
SCRIPT = FAMILY.replace("{script!r}", "SCRIPT").replace("SCRIPT", "os.environ['SCRIPT']")


@pytest.fixture
def family(tmp_path: Path):
    leash = ProcessGuard(
        [sys.executable, "-c", SCRIPT], log=tmp_path / "log", env={**os.environ, "SCRIPT": SCRIPT}, grace_period=0.5
    )
    yield leash
    leash.stop()


def members(leash: ProcessGuard, number: int = 2) -> list[int]:
    """Who has said its number, once as many have."""
    return [int(pid) for pid in until(lambda: leash.tail().split(), lambda said: len(said) >= number)]


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


def test_stopping_ends_even_who_ignores_it_in_a_session_of_its_own(family: ProcessGuard):
    pids = members(family)
    family.stop()
    assert not alive(pids)


def test_who_holds_the_leash_may_be_killed(tmp_path: Path):
    holder = f"""
import os, sys, time
from pathlib import Path
from airflow_dlaas.demo.process_guard import ProcessGuard
guard = ProcessGuard([sys.executable, "-c", os.environ["SCRIPT"]], log=Path({str(tmp_path / "log")!r}), grace_period=0.5)
while len(guard.tail().split()) < 2: time.sleep(0.05)
os.kill(os.getpid(), 9)
"""
    killed = subprocess.run([sys.executable, "-c", holder], env={**os.environ, "SCRIPT": SCRIPT}, check=False)
    assert killed.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in (tmp_path / "log").read_text().split()]
    assert len(pids) == 2
    until(lambda: alive(pids), lambda left: not left)


def test_a_crash_kills_the_program_alone_and_starts_it_again(family: ProcessGuard):
    before = members(family)
    family.kill_and_restart()
    now = alive(members(family, 4))
    assert len(now) == 3
    assert set(before) & set(now)


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 15)", 143)])
def test_the_exit_status_comes_through(tmp_path: Path, ending: str, status: int):
    with ProcessGuard([sys.executable, "-c", f"import os, sys; print('bye'); {ending}"], log=tmp_path / "log") as leash:
        until(lambda: leash.poll() is not None)
        assert leash.poll() == status


def test_ctrl_c_in_our_terminal_is_not_heard_by_the_program(family: ProcessGuard):
    assert os.getsid(family.pid) != os.getsid(0)


def test_a_port_that_is_taken_is_named_with_its_option():
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(HostError, match=f"Port {port} is already in use.*--airflow-port"):
            ports.require_free_ports({"--airflow-port": port})


def test_one_port_for_two_is_refused():
    port = ports.find_free_ports()[0]
    with pytest.raises(HostError, match="--one and --two"):
        ports.require_free_ports({"--one": port, "--two": port})
