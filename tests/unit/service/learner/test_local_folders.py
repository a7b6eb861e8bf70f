"""Data and results of a job in folders of this machine."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobFolders, LocalData
from airflow_dlaas.service.learner.command_env import COMMAND_FOLDERS
from airflow_dlaas.service.learner.job_result import JobResult, write_exit
from airflow_dlaas.service.learner.local_folders import LocalFolders

LOGGER = logging.getLogger(__name__)


def a_folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_text(content)
    return path


def a_job(tmp_path: Path) -> JobDirectory:
    for one in COMMAND_FOLDERS:
        (tmp_path / "jobs" / "t" / one).mkdir(parents=True)
    return JobDirectory(tmp_path / "jobs" / "t")


def storage(tmp_path: Path, *data: Path) -> LocalFolders:
    named = tuple(LocalData(name=one.name, path=one) for one in data)
    return LocalFolders(a_job(tmp_path), "t", JobFolders(data=named, results=tmp_path / "results"))


def test_one_folder_of_data_fills_the_folder_of_data(tmp_path: Path) -> None:
    one = storage(tmp_path, a_folder(tmp_path / "digits", x="1"))
    data = one.job.subdirectory("data")
    one.load_data(data, LOGGER)
    one.load_data(data, LOGGER)  # repeated
    assert data.is_symlink()
    assert (data / "x").read_text() == "1"


def test_several_folders_and_a_file_have_their_names(tmp_path: Path) -> None:
    digits, letters = a_folder(tmp_path / "digits", x="1"), a_folder(tmp_path / "letters", x="2")
    one = storage(tmp_path, digits, letters)
    one.load_data(one.job.subdirectory("data"), LOGGER)
    assert (one.job.path / "data" / "letters" / "x").read_text() == "2"


def test_a_file_of_data_is_in_the_folder_of_data(tmp_path: Path) -> None:
    one = storage(tmp_path, a_folder(tmp_path / "digits", x="1") / "x")
    one.load_data(one.job.subdirectory("data"), LOGGER)
    assert (one.job.path / "data" / "x").read_text() == "1"


def test_missing_data_is_an_error_that_names_it(tmp_path: Path) -> None:
    one = storage(tmp_path, tmp_path / "digits")
    with pytest.raises(HostError, match="digits does not exist"):
        one.load_data(one.job.subdirectory("data"), LOGGER)


@pytest.mark.parametrize("several", [False, True])
def test_end_of_the_job_leaves_the_data_as_it_is(tmp_path: Path, several: bool) -> None:
    digits, letters = a_folder(tmp_path / "digits", x="1"), a_folder(tmp_path / "letters", x="2")
    one = storage(tmp_path, digits, *([letters] if several else []))
    one.load_data(one.job.subdirectory("data"), LOGGER)
    write_exit(one.job, JobResult(TrainingState.COMPLETED, 0))
    one.job.delete()
    assert not one.job.path.exists()
    assert (digits / "x").read_text() == "1"
    assert (letters / "x").read_text() == "2"


def test_results_and_logs_remain_after_the_job_directory(tmp_path: Path) -> None:
    one = storage(tmp_path)
    a_folder(one.job.path / "results" / "model", weights="w")
    a_folder(one.job.path / "checkpoints", last="c")
    one.job.log.write_text("log")
    os.mkfifo(one.job.path / "results" / "pipe")
    report = one.store_results(LOGGER, sandboxed=False)
    assert one.store_results(LOGGER, sandboxed=False) == report  # repeated
    assert report.stored_count == 2
    assert [one.name for one in report.skipped] == ["pipe"]
    assert one.store_logs(LOGGER, sandboxed=False).stored_count == 1
    one.job.delete()
    results = tmp_path / "results"
    assert (results / "model" / "weights").read_text() == "w"
    assert (results / "checkpoints" / "last").read_text() == "c"
    assert (results / "learner-1" / "training-log.txt").read_text() == "log"


def test_names_of_one_file_become_files_of_their_own(tmp_path: Path) -> None:
    one = storage(tmp_path)
    results = a_folder(one.job.path / "results", first="w")
    (results / "latest").symlink_to(results / "first")
    (results / "second").hardlink_to(results / "first")
    one.store_results(LOGGER, sandboxed=False)
    assert one.store_results(LOGGER, sandboxed=False).stored_count == 3
    one.job.delete()
    (tmp_path / "results" / "latest").write_text("changed")
    assert (tmp_path / "results" / "first").read_text() == (tmp_path / "results" / "second").read_text() == "w"


def test_file_that_cannot_be_stored_does_not_stop_the_others(tmp_path: Path) -> None:
    one = storage(tmp_path)
    a_folder(one.job.path / "results" / "model", weights="w")
    a_folder(one.job.path / "results" / "other", x="x")
    a_folder(tmp_path / "results", model="a file in the place of the folder")
    report = one.store_results(LOGGER, sandboxed=False)
    assert [failed.name for failed in report.failed] == ["model/weights"]
    assert (tmp_path / "results" / "other" / "x").read_text() == "x"
