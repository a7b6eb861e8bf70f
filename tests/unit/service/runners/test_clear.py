"""What a lost learner left running is ended, and nobody else is."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_dlaas.service.jobs import JobFolder
from airflow_dlaas.service.processes import identify
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
    with job.log.open("ab") as log:
        speaking = start("env -i sleep 60 >/dev/null 2>&1 & exec env -i sleep 60", stdout=log, stderr=log)
    beside = _in_session(speaking.pid, but=speaking.pid)
    LocalRunner().clear(job)
    assert (named.wait(5), speaking.wait(5)) == (-9, -9)
    _wait(lambda: identify(beside) is None)


def test_whoever_only_reads_the_log_or_has_begun_the_session_is_left_alone(job: JobFolder, start: Start) -> None:
    reader = start(f"exec tail -f {job.log}", stdout=subprocess.DEVNULL)
    at_work_by_hand = start(f"JOB_STATE_DIR={job.path} sleep 60; sleep 60; exit 0")
    _in_session(at_work_by_hand.pid, but=at_work_by_hand.pid)
    LocalRunner().clear(job)
    time.sleep(0.2)
    assert reader.poll() is None
    assert at_work_by_hand.poll() is None


def _in_session(leader: int, *, but: int) -> int:
    """Wait for another process in the session of *leader*."""
    found: list[int] = []

    def look() -> bool:
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        found.extend(pid for pid in pids if pid != but and _session(pid) == leader)
        return bool(found)

    _wait(look)
    return found[0]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _wait(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
