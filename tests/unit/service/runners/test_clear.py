"""Leftovers of a lost learner are killed, and no other process is."""

from __future__ import annotations

import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from airflow_dlaas.service.runners import local
from airflow_dlaas.service.runners.local import LocalRunner

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    folder = JobDirectory(tmp_path / "training-a")
    folder.path.mkdir()
    folder.log.touch()
    return folder


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts shell commands in sessions of their own; the fixture kills them after the test."""
    started = []

    def begin(line: str, **options: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["/bin/sh", "-c", line], start_new_session=True, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield begin
    for one in started:
        one.kill()
        one.wait()


def test_leftovers_are_found_by_environment_log_and_session(job: JobDirectory, start: Start) -> None:
    named = start("exec sleep 60", env={"JOB_STATE_DIR": str(job.path), "PATH": os.environ["PATH"]})
    line = "env -i sleep 60 >/dev/null 2>&1 & echo $! >&2; exec env -i sleep 60 2>/dev/null"
    with job.log.open("ab") as log:
        logging_process = start(line, stdout=log, stderr=subprocess.PIPE)
    assert logging_process.stderr is not None
    sibling = os.pidfd_open(int(logging_process.stderr.readline()))
    LocalRunner().kill_leftovers(job)
    assert (named.wait(30), logging_process.wait(30)) == (-9, -9)
    assert select.select([sibling], [], [], 30)[0]  # readable: the process has ended
    os.close(sibling)
    logging_process.stderr.close()


def test_leftover_that_writes_to_the_pipe_of_the_learner_is_killed(job: JobDirectory, start: Start) -> None:
    os.mkfifo(job.output)
    reader = os.open(job.output, os.O_RDONLY | os.O_NONBLOCK)
    with job.output.open("wb", buffering=0) as pipe:
        daemon = start("exec env -i sleep 60", stdout=pipe, stderr=pipe)
    os.close(reader)
    LocalRunner().kill_leftovers(job)
    assert daemon.wait(30) == -9


def test_readers_of_the_log_and_foreign_session_leaders_are_not_killed(job: JobDirectory, start: Start) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    reader = start(f"exec 3<{job.log}; echo begun; read word; echo $word", **pipes)
    named = f"env JOB_STATE_DIR={job.path} sh -c 'echo begun; exec sleep 60' &"
    session_leader = start(f"{named} wait; read word; echo $word", **pipes)
    for one in (reader, session_leader):
        assert one.stdout is not None
        assert one.stdout.readline() == b"begun\n"
    LocalRunner().kill_leftovers(job)
    for one in (reader, session_leader):
        assert one.communicate(b"alive\n", timeout=30) == (b"alive\n", None)


def test_leftover_that_is_found_by_a_later_poll_is_killed(
    job: JobDirectory, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During `execve`, the environment of a process reads as empty, so that it is not found."""
    process = start("exec sleep 60")
    polls = iter([set(), set(), {process.pid}])
    monkeypatch.setattr(local, "_leftover_pids", lambda _job: next(polls, set()))
    LocalRunner().kill_leftovers(job)
    assert process.wait(30) == -9


# -- containers --------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that installs shell scripts as container engines; it returns the file with their calls."""

    def install(script: str = "", *names: str) -> Path:
        for name in names or ("docker",):
            program = tmp_path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f'#!/bin/sh\n{script}\necho "{name} $*$DOCKER_HOST" >> {tmp_path}/calls\n')
            program.chmod(0o755)
        (tmp_path / "calls").touch()
        return tmp_path / "calls"

    return install


def runner(job: JobDirectory, **environment: str) -> LocalRunner:
    return LocalRunner({"PATH": str(job.path.parent / "bin"), **environment})


def set_runtime(job: JobDirectory, kind: str, attempt: int = 1) -> None:
    """Give *job* a runtime of *kind*."""
    runtime = RuntimeSpec(key="torch-7", kind=kind, provides="Lua Torch", image="site/torch7", path=("/bin",))
    spec = JobSpec(
        training_id=job.path.name,
        attempt=attempt,
        command="true",
        runtime=runtime,
        code=job.path,
        environments=job.path,
        gpus=(),
    )
    job.spec.write_text(spec.model_dump_json())


def test_container_of_a_lost_learner_is_removed(job: JobDirectory, engine: Callable[..., Path]) -> None:
    set_runtime(job, "container")
    calls = engine("", "docker", "podman", "apptainer")  # a container of apptainer ends with its processes
    runner(job, DOCKER_HOST=" at tcp://there").kill_leftovers(job)
    expected = [f"{name} rm --force dlaas-training-a at tcp://there" for name in ("docker", "podman")]
    assert sorted(calls.read_text().splitlines()) == expected


def test_container_of_each_attempt_has_its_own_name(job: JobDirectory, engine: Callable[..., Path]) -> None:
    set_runtime(job, "container", attempt=2)
    calls = engine()
    runner(job).kill_leftovers(job)
    assert calls.read_text() == "docker rm --force dlaas-training-a-2\n"


def test_no_engine_is_called_for_a_training_without_a_container(job: JobDirectory, engine: Callable[..., Path]) -> None:
    set_runtime(job, "prefix")
    calls = engine()
    runner(job).kill_leftovers(job)
    assert calls.read_text() == ""


def test_container_is_removed_if_the_runtime_is_unknown(job: JobDirectory, engine: Callable[..., Path]) -> None:
    calls = engine()
    runner(job).kill_leftovers(job)  # there is no spec.json
    job.spec.write_text("{broken")
    runner(job).kill_leftovers(job)
    assert calls.read_text().splitlines() == ["docker rm --force dlaas-training-a"] * 2


def test_hanging_engine_does_not_block_kill_leftovers(
    job: JobDirectory, engine: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "KILL_TIMEOUT", 0.2)
    set_runtime(job, "container")
    released = job.path / "released"
    calls = engine(f"until test -e {released}; do /bin/sleep 0.02; done")
    runner(job).kill_leftovers(job)
    assert calls.read_text() == ""
    assert "Removing container dlaas-training-a has not ended after 0.2 s" in caplog.text
    released.touch()  # the engine answers now
    for thread in threading.enumerate():
        if thread.name == "remove dlaas-training-a":
            thread.join(30)
    assert calls.read_text() == "docker rm --force dlaas-training-a\n"


@pytest.mark.parametrize(
    ("script", "logged"),
    [
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "Cannot connect to the Docker daemon"),
        ("echo 'Error: No such container: dlaas-training-a' >&2; exit 1", None),
        ("echo 'removal of container 1f is already in progress' >&2; exit 1", None),
    ],
)
def test_failed_removal_of_a_container_is_logged(
    job: JobDirectory,
    engine: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    script: str,
    logged: str | None,
) -> None:
    set_runtime(job, "container")
    engine(script)
    runner(job).kill_leftovers(job)
    assert [one.levelname for one in caplog.records] == (["WARNING"] if logged else [])
    assert (logged or "") in caplog.text
