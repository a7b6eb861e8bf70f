"""A job directory with unreadable files: the runner uses the handle of the process that it started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_dlaas.service.job_files import MAX_JOB_FILE_SIZE, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.process.process_info import identify
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.runners.local import HANDLE_PREFIX, LocalRunner
from tests.unit.service.api.test_damage import damaged_files

GONE = HANDLE_PREFIX + ProcessIdentity(pid=1, start_ticks=1, boot_id="another").model_dump_json()


@pytest.fixture
def running_handle() -> str:
    """The handle of a running process: this one."""
    mark = identify(os.getpid())
    assert mark is not None
    return HANDLE_PREFIX + mark.model_dump_json()


def test_unreadable_run_json_falls_back_to_the_handle(tmp_path: Path, running_handle: str) -> None:
    job, runner = JobDirectory(tmp_path / "training-a"), LocalRunner({})
    job.path.mkdir()
    for what in damaged_files(job.run):
        if what == "a link to nothing":
            continue  # equal to no run.json: the learner has not claimed the job yet
        assert runner.poll({running_handle: job, GONE: job}) == {running_handle: Liveness.ALIVE, GONE: Liveness.GONE}, (
            what
        )


def test_kill_leftovers_of_a_damaged_job_raises_no_error(tmp_path: Path) -> None:
    job, runner = JobDirectory(tmp_path / "training-a"), LocalRunner({})
    job.path.mkdir()
    for _ in damaged_files(job.log):
        runner.kill_leftovers(job)


@pytest.mark.parametrize("name", ["secrets.json", ".secrets.json.17"])
def test_erase_secrets_removes_any_kind_of_file(tmp_path: Path, name: str) -> None:
    job = JobDirectory(tmp_path)
    for _ in damaged_files(tmp_path / name):
        job.erase_secrets()
        assert not os.path.lexists(tmp_path / name)


def test_erase_secrets_without_a_directory_is_no_error(tmp_path: Path) -> None:
    for _ in damaged_files(tmp_path / "training-a"):
        JobDirectory(tmp_path / "training-a").erase_secrets()


def test_read_job_file_refuses_a_file_above_the_size_limit(tmp_path: Path) -> None:
    job = JobDirectory(tmp_path)
    with job.run.open("wb") as file:
        file.truncate(MAX_JOB_FILE_SIZE * 1024)  # a sparse file: it needs no disk space
    with pytest.raises(ValueError, match="longer than"):
        read_job_file(job.run, ProcessIdentity)


def test_read_job_file_does_not_follow_links(tmp_path: Path) -> None:
    job, other = JobDirectory(tmp_path), tmp_path / "other.json"
    other.write_text(ProcessIdentity(pid=1, start_ticks=1, boot_id="another").model_dump_json())
    job.run.symlink_to(other)
    with pytest.raises(OSError, match="Too many levels"):
        read_job_file(job.run, ProcessIdentity)


@pytest.mark.parametrize("what", ["a pipe", "a link out of the folder", "a directory"])
def test_replaced_learner_log_does_not_prevent_a_second_start(tmp_path: Path, what: str) -> None:
    job, other_file = JobDirectory(tmp_path / "training-a"), tmp_path / "other_file"
    path = job.subdirectory("logs") / "learner.log"
    path.parent.mkdir(parents=True)
    job.run.write_text("{}")  # another learner has claimed the job: this one ends immediately
    {
        "a pipe": os.mkfifo,
        "a directory": Path.mkdir,
        "a link out of the folder": lambda one: one.symlink_to(other_file),
    }[what](path)
    handle = LocalRunner().start(job)
    os.waitpid(ProcessIdentity.model_validate_json(handle.removeprefix(HANDLE_PREFIX)).pid, 0)
    assert not other_file.exists()
