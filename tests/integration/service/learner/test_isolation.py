"""What a command in bubblewrap does not get to see, and what it does."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import PhaseFile, ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.local import LocalRunner

pytestmark = pytest.mark.usefixtures("bubblewrap")


@pytest.fixture
def home(tmp_path: Path, job) -> Path:
    """The service's home as it is: credentials, a database, a job of another user."""
    home = tmp_path / "home"
    for one in ("jobs/training-other/results", "blobs", "environments"):
        (home / one).mkdir(parents=True)
    (home / "credentials.json").write_text("the-secret-of-the-service")
    (home / "database.sqlite").write_text("the-secret-of-the-service")
    (home / "jobs/training-other/results/model").write_text("the-secret-of-another")
    job.folder = type(job.folder)(home / "jobs" / job.id)
    job.isolation = "bubblewrap"
    return home


def test_home_folders_are_absent(job, home):
    ended = job.run(
        f"cat {home}/credentials.json {home}/database.sqlite {home}/jobs/training-other/results/model; "
        f"ls -A {home} {home}/jobs /root /home; cat /etc/shadow /etc/ssh/ssh_host_*; "
        "find / -name credentials.json -not -path '/proc/*' -not -path '/usr/*'; true"
    )
    log = job.folder.log.read_text()
    assert ended.state is TrainingState.COMPLETED
    assert ended.isolation == "bubblewrap"
    assert "the-secret" not in log
    assert "/home/credentials.json\n" not in log.replace(": No such", "")
    assert log.split(f"{home}:\n")[1].splitlines()[0] == "jobs"
    assert log.split(f"{home}/jobs:\n")[1].splitlines()[0] == job.id
    assert "root:" not in log.replace("/root:", "")


def test_only_the_command_s_folders_of_the_job_are_visible(job, home):
    job.run("cd $JOB_STATE_DIR; ls -A; echo x > exit.json; echo x > own && cat own")
    assert job.folder.log.read_text().splitlines()[1:] == [
        *("checkpoints", "code", "data", "home", "logs", "results", "tmp"),
        "x",
    ]
    assert not (job.folder.path / "own").exists()


def test_processes_outside_are_invisible(job, home):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]) as outside:
        try:
            job.run(
                f"kill -9 {outside.pid}; "
                'cat /proc/[0-9]*/cmdline | tr "\\0" " "; cat /proc/*/environ | tr "\\0" "\\n" | grep -a XDG_CACHE'
            )
            assert identify(outside.pid) is not None
        finally:
            outside.kill()
    log = job.folder.log.read_text()
    assert "airflow_dlaas.service.learner" not in log
    assert "time.sleep" not in log


def test_environment_of_the_learner_is_unreadable(job, home):
    job.runner = LocalRunner({**os.environ, "UV_INDEX_PASSWORD": "the-secret-of-the-index"})
    job.run('cat /proc/*/environ /proc/$PPID/environ | tr "\\0" "\\n"; true')
    log = job.folder.log.read_text()
    assert f"TRAINING_ID={job.id}" in log
    assert "the-secret" not in log


def test_nothing_outside_is_writable(job, home, tmp_path):
    job.run(
        f"for file in {home}/x {tmp_path}/x /x /usr/x /etc/x /opt/x /root/x; "
        'do echo x > $file && echo "written: $file"; done; '
        "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness && echo written: the kernel; "
        f"echo x > /tmp/own && cat $TMPDIR/own && rm -rf {home}; mount -t tmpfs none $TMPDIR && echo mounted; true"
    )
    log = job.folder.log.read_text()
    assert "written: " not in log.replace("written: /tmp/", "")  # /tmp is its own, with the way to its folders in it
    assert "mounted" not in log
    assert log.count("\nx\n") == 1
    assert (home / "credentials.json").exists()
    assert not any(Path(one, "x").exists() for one in (home, tmp_path, "/", "/usr", "/etc", "/opt", "/root"))


def test_home_inside_a_visible_path_is_hidden(job, home, tmp_path):
    (tmp_path / "site.txt").write_text("data of the site's\n")
    job.run(f"cat {tmp_path}/site.txt; ls -A {home}; echo x > {tmp_path}/x", visible=[str(tmp_path)])
    assert job.folder.log.read_text().splitlines()[1:3] == ["data of the site's", "jobs"]
    assert not (tmp_path / "x").exists()


def test_sandbox_has_everything_that_a_training_needs(job, home, zipped):
    """Network, threads, subprocesses, temporary files, shared memory, pseudo-terminals, names of users and hosts."""
    job.put("train.csv", b"1,2\n")
    code = """
import getpass, multiprocessing, os, pathlib, pty, socket, sqlite3, ssl, subprocess, sys, tempfile
from multiprocessing import shared_memory
if __name__ == "__main__":
    assert pathlib.Path("train.csv").read_text() == pathlib.Path(os.environ["DATA_DIR"], "train.csv").read_text()
    socket.getaddrinfo("localhost", 80), getpass.getuser(), ssl.create_default_context()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(abs, [-1, -2]) == [1, 2]
    shared_memory.SharedMemory(create=True, size=1_000_000).unlink()
    pty.openpty(), sqlite3.connect(pathlib.Path(tempfile.mkdtemp(), "x")).execute("CREATE TABLE x (y)")
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as reached:
        assert reached.recv(5) == b"hello"
    metric = '{"values": {"auc": {"type": 3, "value": 0.5}}}'
    pathlib.Path(os.environ["LOG_DIR"], "evaluation-metrics.txt").write_text(metric)
    print(sys.prefix, subprocess.run(["sh", "-c", "exit 3"]).returncode)
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(target=_greet, args=[server])
        greeter.start()
        ended = job.run(f"python3 main.py {server.getsockname()[1]}", code=zipped({"main.py": code}))
        greeter.join()
    assert ended.state is TrainingState.COMPLETED, job.logs()
    assert job.folder.log.read_text().splitlines()[1] == f"{job.folder.subdirectory('home') / '.packages'} 3"
    assert "auc" in job.folder.metrics.read_text()


def test_sandbox_of_a_killed_learner_is_killed(job, home):
    handle = job.start("echo ready; sleep 1000")
    job.wait(lambda: job.log_contains("ready"), "the command")
    os.kill(read_job_file(job.folder.run, ProcessIdentity).pid, signal.SIGKILL)
    job.wait(lambda: job.runner.poll({handle: job.folder})[handle].value == "gone", "the end")
    job.runner.kill_leftovers(job.folder)
    assert not [one for one in Path("/proc").glob("[0-9]*/environ") if job.id.encode() in _read(one)]


def test_isolation_is_shown_while_the_training_runs(job, home):
    job.start("echo ready; sleep 1")
    job.wait(lambda: job.log_contains("ready"), "the command")
    assert read_job_file(job.folder.phase, PhaseFile).isolation == "bubblewrap"
    job.end()


@pytest.mark.parametrize("isolation", ["auto", "bubblewrap"])
def test_auto_runs_without_bubblewrap_and_bubblewrap_refuses(job, home, tmp_path, isolation):
    """As in a container that forbids it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    (tmp_path / "bin/bwrap").chmod(0o755)
    job.runner = LocalRunner({**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"})
    ended = job.run("echo it ran", isolation=isolation)
    why = "bubblewrap does not work here: No permissions to create new namespace"
    first, *others = job.stored()["learner-1/training-log.txt"].decode().splitlines()
    assert first.endswith(f"isolation: none ({why})")
    assert ended.isolation == "none"
    if isolation == "auto":
        assert (ended.state, others) == (TrainingState.COMPLETED, ["it ran"])
    else:
        assert (ended.state, ended.code) == (TrainingState.ERROR, "S101")
        assert why in (ended.reason or "")
        assert "it ran" not in others


def _greet(server: socket.socket) -> None:
    with server.accept()[0] as caller:
        caller.sendall(b"hello")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("links", ["copy", "symlink"])
def test_uv_environment_works_in_the_sandbox(job, home, links):
    wheel = home / "blobs" / "answer-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("answer.py", "VALUE = 42\n")
        archive.writestr("answer-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: answer\nVersion: 1.0\n")
        archive.writestr("answer-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("answer-1.0.dist-info/RECORD", "answer.py,,\nanswer-1.0.dist-info/METADATA,,\n")
    job.runner = LocalRunner({**os.environ, "UV_LINK_MODE": links, "UV_CACHE_DIR": str(home / "cache")})
    runtime = {"key": "x", "kind": "uv", "provides": "an answer", "requirements": [f"answer @ file://{wheel}"]}
    ended = job.run(
        "python3 -c 'import answer; print(answer.VALUE, answer.__file__); open(answer.__file__, \"w\")'",
        runtime=runtime,
        environments=str(home / "environments"),
    )
    log = job.folder.log.read_text()
    assert f"42 {home}/environments/" in log, job.logs()
    assert "Read-only file system" in log
    assert ended.isolation == "bubblewrap"
