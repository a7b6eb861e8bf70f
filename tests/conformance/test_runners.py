"""The guarantees of every runner. To test another runner, add it to `RUNNERS`."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ExitFile, ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.base import Liveness, Runner
from airflow_dlaas.service.runners.local import LocalRunner

RUNNERS: dict[str, Callable[[], Runner]] = {"local": LocalRunner}

WORKER = """
import os, sys, time
from pathlib import Path
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.learner.claim import claim

job = JobDirectory(Path(sys.argv[1]))
assert claim(job)
time.sleep(1000)
"""
"""Claims a job as a learner does, and then keeps running."""


@pytest.fixture(params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> Runner:
    return RUNNERS[request.param]()


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    """A job without spec.json. Its learner claims it, records the error, and ends."""
    folder = JobDirectory(tmp_path / f"training-{uuid.uuid4().hex[:9]}")
    folder.path.mkdir()
    return folder


@pytest.fixture
def claimant(job: JobDirectory) -> Iterator[psutil.Process]:
    """Another process that has claimed the job."""
    other = subprocess.Popen([sys.executable, "-c", WORKER, str(job.path)])
    _wait(job.run.exists)
    yield psutil.Process(other.pid)
    other.kill()
    other.wait()


def _wait(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def _poll(runner: Runner, handle: str, job: JobDirectory) -> Liveness:
    return runner.poll({handle: job})[handle]


def test_started_learner_is_waiting_or_alive_until_it_is_gone(runner: Runner, job: JobDirectory) -> None:
    handle = runner.start(job)
    seen = [_poll(runner, handle, job)]
    while seen[-1] is not Liveness.GONE:
        seen.append(_poll(runner, handle, job))
        time.sleep(0.01)
    order = [Liveness.WAITING, Liveness.ALIVE, Liveness.GONE]
    assert [order.index(one) for one in seen] == sorted(order.index(one) for one in seen)
    ended = read_job_file(job.exit, ExitFile)
    assert ended is not None
    assert ended.state is TrainingState.ERROR


def test_handle_is_valid_in_another_service_process(runner: Runner, job: JobDirectory) -> None:
    handle = runner.start(job)
    other = type(runner)()
    _wait(job.exit.exists)
    _wait(lambda: _poll(other, handle, job) is Liveness.GONE or _poll(runner, handle, job) is Liveness.GONE)


def test_second_start_of_a_claimed_job_does_not_disturb_its_learner(
    runner: Runner, job: JobDirectory, claimant: psutil.Process
) -> None:
    owner = job.run.read_bytes()
    handle = runner.start(job)
    for _ in range(100):
        assert _poll(runner, handle, job) is Liveness.ALIVE
        time.sleep(0.01)
    assert job.run.read_bytes() == owner
    assert not job.exit.exists()


def test_stop_reaches_the_process_that_claimed_the_job(
    runner: Runner, job: JobDirectory, claimant: psutil.Process
) -> None:
    handle = runner.start(job)
    runner.stop([handle], {handle: job})
    assert claimant.wait(60) == -15


def test_reused_pid_is_not_the_learner(runner: Runner, job: JobDirectory) -> None:
    handle = runner.start(job)
    _wait(lambda: job.exit.exists() and _poll(runner, handle, job) is Liveness.GONE)
    other_process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    try:
        mark = identify(other_process.pid)
        assert mark is not None
        job.run.write_text(mark.model_copy(update={"start_ticks": mark.start_ticks - 1}).model_dump_json())
        assert _poll(runner, handle, job) is Liveness.GONE
        runner.stop([handle], {handle: job})
        assert other_process.poll() is None
    finally:
        other_process.kill()
        other_process.wait()


def test_learner_of_an_earlier_boot_is_gone(runner: Runner, job: JobDirectory, claimant: psutil.Process) -> None:
    handle = runner.start(job)
    mark = read_job_file(job.run, ProcessIdentity)
    assert mark is not None
    job.run.write_text(mark.model_copy(update={"boot_id": "another"}).model_dump_json())
    assert _poll(runner, handle, job) is Liveness.GONE


def test_foreign_handle_is_unknown(runner: Runner, job: JobDirectory) -> None:
    assert _poll(runner, "elsewhere:1", job) is Liveness.UNKNOWN


def test_stop_of_an_ended_learner_is_no_error(runner: Runner, job: JobDirectory) -> None:
    handle = runner.start(job)
    _wait(lambda: _poll(runner, handle, job) is Liveness.GONE)
    runner.stop([handle], {handle: job})
