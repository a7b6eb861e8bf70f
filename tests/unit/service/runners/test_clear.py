"""What a lost learner left running is ended, and nobody else is."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_dlaas.service.jobs import JobFolder
from airflow_dlaas.service.runners.local import LocalRunner

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "training-a")
    folder.path.mkdir()
    folder.log.touch()
    return folder


@pytest.fixture
def start() -> Iterator[Start]:
    """Start shell lines in sessions of their own; none outlives the test."""
    started = []

    def begin(line: str, **options: object) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["/bin/sh", "-c", line], start_new_session=True, **options)  # type: ignore[call-overload]
        started.append(process)
        return process

    yield begin
    for one in started:
        one.kill()
        one.wait()


def test_a_process_is_known_by_its_environment_by_the_log_and_by_their_session(job: JobFolder, start: Start) -> None:
    named = start("exec sleep 60", env={"JOB_STATE_DIR": str(job.path), "PATH": os.environ["PATH"]})
    line = "env -i sleep 60 >/dev/null 2>&1 & echo $! >&2; exec env -i sleep 60 2>/dev/null"
    with job.log.open("ab") as log:
        speaking = start(line, stdout=log, stderr=subprocess.PIPE)
    assert speaking.stderr is not None
    beside = os.pidfd_open(int(speaking.stderr.readline()))
    LocalRunner().clear(job)
    assert (named.wait(5), speaking.wait(5)) == (-9, -9)
    assert select.select([beside], [], [], 5)[0]  # readable: it has ended
    os.close(beside)
    speaking.stderr.close()


def test_a_process_that_writes_into_the_pipe_of_a_lost_learner_is_found(job: JobFolder, start: Start) -> None:
    os.mkfifo(job.output)
    reader = os.open(job.output, os.O_RDONLY | os.O_NONBLOCK)
    with job.output.open("wb", buffering=0) as pipe:
        daemon = start("exec env -i sleep 60", stdout=pipe, stderr=pipe)
    os.close(reader)
    LocalRunner().clear(job)
    assert daemon.wait(5) == -9


def test_whoever_only_reads_the_log_or_has_begun_the_session_is_left_alone(job: JobFolder, start: Start) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    reader = start(f"exec 3<{job.log}; echo begun; read word; echo $word", **pipes)
    named = f"env JOB_STATE_DIR={job.path} sh -c 'echo begun; exec sleep 60' &"
    at_work_by_hand = start(f"{named} wait; read word; echo $word", **pipes)
    for one in (reader, at_work_by_hand):
        assert one.stdout is not None
        assert one.stdout.readline() == b"begun\n"
    LocalRunner().clear(job)
    for one in (reader, at_work_by_hand):
        assert one.communicate(b"alive\n", timeout=5) == (b"alive\n", None)
