"""Trainings in a container, with an engine that a script plays: what the learner does around it is real."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.local import LocalRunner

ENGINE = """#!/bin/bash
case "$1" in rm) echo "$*";; *) echo "$1";; esac >> {calls}
case "$1" in run | exec) ;; *) exit 0;; esac
tr '\\0' '\\n' < /proc/$$/cmdline > {calls}.cmdline
env > {calls}.env
while case "$1" in site/torch7 | docker://site/torch7) false;; esac; do
  case "$1" in --workdir=* | --pwd=*) cd "${{1#*=}}";; esac
  shift
done
shift
trap 'trap "" TERM; kill 0' TERM
env -i PATH=/image/bin:/usr/bin:/bin "$@" &
while wait $!; code=$?; kill -0 $! 2> /dev/null; do :; done
exit $code
"""
"""The command gets nothing but the variables of its image, as in a container. SIGTERM is passed on to all of it."""

RUNTIME = {"key": "torch-7", "kind": "container", "provides": "Lua Torch", "image": "site/torch7"}


@pytest.fixture
def engine() -> str:
    """The name of the only engine."""
    return "docker"


@pytest.fixture
def calls(job, tmp_path: Path, engine: str) -> Path:
    """What the engine was called with."""
    program = tmp_path / "bin" / engine
    program.parent.mkdir()
    program.write_text(ENGINE.format(calls=tmp_path / "calls"))
    program.chmod(0o755)
    job.runner = LocalRunner({**os.environ, "PATH": f"{program.parent}:/usr/bin:/bin"})
    return tmp_path / "calls"


@pytest.mark.parametrize("engine", ["podman", "docker", "apptainer"])
def test_variables_reach_the_command_by_a_private_file_and_no_command_line(job, calls, engine):
    value, token = "a value of /some/site's own", "a-made-up-token-of-the-tests"
    command = """
        ls -l $JOB_STATE_DIR/container-environment | cut -c 1-10
        printf %s "$HF_TOKEN" | md5sum | cut -c 1-32 > $RESULT_DIR/token
        printf %s "$SITE_VALUE" > $RESULT_DIR/value; printf %s "$PATH" > $RESULT_DIR/path; pwd > $RESULT_DIR/pwd
    """
    job.prepare(command, runtime={**RUNTIME, "env": {"SITE_VALUE": value}}, given={"memory": 2**32})
    document = json.loads(job.folder.secrets.read_text())
    document["model_definition"]["execution"]["secrets"] = {"HF_TOKEN": token}
    job.folder.secrets.write_text(json.dumps(document))
    job.runner.start(job.folder)
    ended = job.end()
    assert (ended.state, ended.isolation) == (TrainingState.COMPLETED, "container"), job.logs()
    stored = job.stored()
    assert stored["token"].decode().strip() == hashlib.md5(token.encode(), usedforsecurity=False).hexdigest()
    assert (stored["value"].decode(), stored["path"]) == (value, b"/image/bin:/usr/bin:/bin")
    assert stored["pwd"].decode().strip() == str(job.folder.subdirectory("code"))
    assert "-rw-------" in job.folder.log.read_text()
    for seen in (calls.with_name("calls.cmdline"), calls.with_name("calls.env")):
        assert seen.stat().st_size > 0
        assert value not in seen.read_text()
        assert token not in seen.read_text()
    assert not job.folder.container_environment.exists()
    limit = f"--memory={2**32}" in calls.with_name("calls.cmdline").read_text().splitlines()
    by_engine = json.loads(job.folder.resources.read_text())["enforced_by"] == "container"
    assert (limit, by_engine) == (engine != "apptainer", engine != "apptainer")


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


@pytest.mark.parametrize("engine", ["apptainer"])
def test_canceled_container_of_apptainer_ends_without_a_removal(job, calls):
    handle = job.start("echo ready; sleep 1000", runtime=RUNTIME)
    job.wait(lambda: job.log_contains("ready"), "the command")
    assert job.folder.container_environment.exists()
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().state is TrainingState.CANCELED
    assert "rm" not in calls.read_text()
    assert not job.folder.container_environment.exists()


def test_canceled_container_is_removed_and_logged(job, calls):
    handle = job.start("echo ready; sleep 1000", runtime=RUNTIME)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    assert job.end().state is TrainingState.CANCELED
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"
    assert "seconds after SIGTERM" in job.folder.log.read_text()


def test_canceled_container_is_removed_only_after_its_command_has_saved(job, calls):
    saves = "save() { echo saving; sleep 1; echo saved > $RESULT_DIR/model; exit 7; }; trap save TERM; echo ready"
    handle = job.start(f"sh -c '{saves}; while :; do sleep 0.05; done'; echo never", runtime=RUNTIME, grace=300)
    job.wait(lambda: job.log_contains("ready"), "the command")
    job.runner.stop([handle], {handle: job.folder})
    job.wait(lambda: job.log_contains("saving"), "the start of saving")
    assert "rm" not in calls.read_text()
    assert job.end().state is TrainingState.CANCELED
    assert job.stored()["model"] == b"saved\n"
    assert calls.read_text().splitlines()[-1] == f"rm --force dlaas-{job.id}"


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
    job.folder.erase_secrets()  # as the dispatcher does at the end of a training
    assert not job.folder.container_environment.exists()


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


@pytest.mark.parametrize("engine", ["podman", "apptainer"])
def test_container_sees_mounts_and_files_of_the_cache_read_only(job, calls, engine, tmp_path):
    option = {"podman": "--volume", "apptainer": "--bind"}[engine]
    for one in ("read", "written"):
        (tmp_path / "shared" / one).mkdir(parents=True)
    job.put("a", b"1")
    job.run(
        f'cat "$DATA_DIR/{job.container}/a"',
        runtime=RUNTIME,
        sources=[
            {},
            *({"path": f"{tmp_path}/shared/{one}", "read_only": one == "read"} for one in ("read", "written")),
        ],
        mount_roots=[{"path": str(tmp_path / "shared"), "writable": True}],
        data_cache={"path": str(tmp_path / "cache"), "limit": 2**30},
    )
    line = Path(f"{calls}.cmdline").read_text().splitlines()
    assert f"{option}={tmp_path}/shared/read:{tmp_path}/shared/read:ro" in line
    assert f"{option}={tmp_path}/shared/written:{tmp_path}/shared/written" in line
    files = job.folder.subdirectory("data-files")
    assert f"{option}={files}:{files}:ro" in line
    assert job.output() == ["1"]


def test_single_mount_is_the_folder_of_data_of_a_container(job, calls, tmp_path):
    folder = tmp_path / "shared" / "a"
    folder.mkdir(parents=True)
    roots = [{"path": str(folder.parent), "writable": True}]
    job.run("true", runtime=RUNTIME, sources=[{"path": str(folder), "read_only": False}], mount_roots=roots)
    line = Path(f"{calls}.cmdline").read_text().splitlines()
    assert f"--volume={folder}:{job.folder.path}/data" in line
