"""Data is loaded while the environment is made: what one side does when the other one fails, or takes longer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import read_job_file
from airflow_dlaas.service.job_reports import DataFile
from tests.fault_proxy import FaultProxy, Slow, StallReply
from tests.integration.service.learner.conftest import Job

ENDLESS_RUNTIME = {"key": "x", "kind": "uv", "provides": "never", "requirements": ["a-package-that-does-not-exist"]}


@pytest.fixture(autouse=True)
def _without_isolation(job: Job) -> None:
    """How the command is isolated changes nothing before it starts."""
    job.isolation = "none"


@pytest.fixture
def proxy(job: Job) -> Iterator[FaultProxy]:
    """Between the learner and the store of its data."""
    with FaultProxy(job.connection.auth_url) as proxy:
        job.data_url = proxy.auth_url
        yield proxy


@pytest.fixture
def silent_index(job: Job, tmp_path: Path) -> Iterator[None]:
    """A package index that takes a connection and never answers: uv waits for it for ever."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        index = tmp_path / "uv.toml"
        index.write_text(f'index-url = "http://127.0.0.1:{silent.getsockname()[1]}/simple"\n')
        given = {"UV_CONFIG_FILE": str(index), "PIP_CONFIG_FILE": os.devnull, "UV_HTTP_TIMEOUT": "86400"}
        job.runner = type(job.runner)({**os.environ, **given})
        yield


@pytest.mark.usefixtures("silent_index")
def test_data_is_loaded_while_the_environment_is_made(job: Job, proxy: FaultProxy):
    job.put("big", b"0" * 10000)
    proxy.on(StallReply(after=100), method="GET", path="/big")
    handle = job.start("true", runtime=ENDLESS_RUNTIME)
    job.wait(lambda: proxy.stalled == 1 and job.log_contains("Making the environment"), "both")
    job.wait(lambda: job.phase() == "loading", "the phase")
    job.runner.stop([handle], {handle: job.folder})
    ended = job.end()
    assert (ended.state, ended.exit_code) == (TrainingState.CANCELED, None)


@pytest.mark.usefixtures("silent_index")
def test_data_that_cannot_be_loaded_stops_the_creation_of_the_environment(job: Job):
    """Otherwise the training would never end: uv does not."""
    ended = job.run("true", runtime=ENDLESS_RUNTIME, containers=("no-such-container",))
    assert (ended.state, ended.code) == (TrainingState.ERROR, "S302")
    assert "no-such-container" in (ended.reason or "")


def test_code_that_cannot_be_unpacked_stops_the_loading(job: Job, proxy: FaultProxy):
    """Otherwise the training would never end: the store does not send the rest of the object."""
    job.put("big", b"0" * 10000)
    proxy.on(StallReply(after=100), method="GET", path="/big")
    ended = job.run("true", code=b"no zip")
    assert (ended.state, ended.code) == (TrainingState.ERROR, "C102")


def test_progress_is_reported_while_data_is_loaded(job: Job, proxy: FaultProxy):
    for number in range(60):
        job.put(f"part-{number}", b"0" * 5000)
    proxy.on(Slow(bytes_per_second=5000), method="GET", path="/part-", times=None)
    job.start("true")
    seen: list[DataFile] = []

    def has_progress() -> bool:
        found = read_job_file(job.folder.data_report, DataFile)
        seen.extend([found] if found is not None and found.loading is not None else [])
        return bool(seen)

    job.wait(has_progress, "the progress")
    proxy.calm()
    assert job.phase() == "loading"
    progress = seen[0].loading
    assert progress is not None
    assert (progress.total_files, progress.total_bytes) == (60, 300_000)
    assert 0 < progress.bytes < progress.total_bytes
    assert progress.seconds_left
    job.end()
    assert (job.data().loading, job.data().report.sources[0].bytes) == (None, 300_000)
