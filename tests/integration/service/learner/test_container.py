"""Trainings in a container, with an engine that a script plays: what the learner does around it is real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import ProcessIdentity, read_job_file
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.local import LocalRunner

ENGINE = """#!/bin/bash
case "$1" in rm) echo "$*";; *) echo "$1";; esac >> {calls}
test "$1" = run || exit 0
while [ "$1" != site/torch7 ]; do
  case "$1" in --env=*) export "${{1#--env=}}";; --workdir=*) cd "${{1#--workdir=}}";; esac
  shift
done
shift
exec "$@"
"""

RUNTIME = {"key": "torch-7", "kind": "container", "provides": "Lua Torch", "image": "site/torch7"}


@pytest.fixture
def calls(job, tmp_path: Path) -> Path:
    """What the engine was called with; the service finds it as docker."""
    engine = tmp_path / "bin" / "docker"
    engine.parent.mkdir()
    engine.write_text(ENGINE.format(calls=tmp_path / "calls"))
    engine.chmod(0o755)
    job.runner = LocalRunner({**os.environ, "PATH": f"{engine.parent}:/usr/bin:/bin"})
    return tmp_path / "calls"


def test_script_runs_in_a_container_and_prints_to_the_log(job, calls):
    job.put("a.txt", b"data")
    ended = job.run(
        'export NAME=world\ncat "$DATA_DIR/a.txt"; : > /dev/stdout; echo "hello $NAME" >&2; echo w > $RESULT_DIR/w',
        runtime=RUNTIME,
    )
    assert (ended.state, ended.isolation) == (TrainingState.COMPLETED, "container"), job.logs()
    assert job.folder.log.read_text().splitlines()[1:] == ["datahello world"]
    assert job.stored()["w"] == b"w\n"
    assert "rm" not in calls.read_text()  # it has ended, and the engine has removed it


def test_canceled_container_is_removed_and_logged(job, calls):
    handle = job.start("echo ready; sleep 1000", runtime=RUNTIME)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().state is TrainingState.CANCELED
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"
    assert "seconds after SIGTERM" in job.folder.log.read_text()


def test_container_is_removed_if_the_engine_fails(job, calls):
    assert job.run("exit 125", runtime=RUNTIME).exit_code == 125
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"


def test_container_of_a_killed_learner_is_removed(job, calls):
    job.start("echo ready; sleep 1000", runtime=RUNTIME)
    job.wait(lambda: job.log_contains("ready"), "the command")
    learner = read_job_file(job.folder.run, ProcessIdentity)
    assert learner is not None
    os.kill(learner.pid, signal.SIGKILL)
    job.wait(lambda: identify(learner.pid) != learner, "the learner's end")
    job.runner.kill_leftovers(job.folder)
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"


def test_container_is_removed_after_an_internal_error(job, calls):
    job.prepare("echo ready; sleep 1000", runtime=RUNTIME)
    lines = [
        "import os, sys, time",
        "from pathlib import Path",
        "from airflow_dlaas.service.learner import command_process, lifecycle",
        "def fail(*_):",
        "    while not Path(sys.argv[1], 'log').read_text().count('ready'): time.sleep(0.02)",
        "    raise RuntimeError('broken')",
        "command_process._reap = fail",
        "lifecycle.run_job(Path(sys.argv[1]))",
    ]
    path = f"{calls.parent}/bin:/usr/bin:/bin"
    line = [sys.executable, "-c", "\n".join(lines), str(job.folder.path)]
    subprocess.run(line, env={**os.environ, "PATH": path}, check=True, timeout=120)
    ended = job.end()
    assert (ended.state, ended.code) == (TrainingState.ERROR, "S101")
    assert "Internal error" in (ended.reason or "")
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"


def test_missing_engine_fails_before_data_is_loaded(job, calls, tmp_path):
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2; exit 1\n")
    ended = job.run("true", runtime=RUNTIME)
    assert (ended.state, ended.code, ended.exit_code) == (TrainingState.ERROR, "S101", None)
    assert "docker: Cannot connect to the Docker daemon" in (ended.reason or "")
    assert "learner-1/load-data.log" not in job.stored()
