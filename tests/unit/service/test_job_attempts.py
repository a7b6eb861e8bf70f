"""A job directory between two attempts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.contract.attempts import CheckpointReport, ResumedFrom
from airflow_dlaas.service.job_attempts import KEPT_FILES, needs_preparation, put_away_earlier_attempt
from airflow_dlaas.service.job_files import JobDirectory, read_job_file, write_job_file
from airflow_dlaas.service.job_reports import CheckpointsFile
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from tests.conformance.store.conftest import a_definition
from tests.stored import read_tree, write_tree

NEWEST = CheckpointReport(attempt=1, number=3, stored_at=datetime(2026, 1, 1, tzinfo=timezone.utc), files=1, bytes=2)


def create(job: JobDirectory, attempt: int) -> None:
    runtime = RuntimeSpec(key="x", kind="prefix", provides="x")
    spec = JobSpec(
        training_id=job.path.name,
        attempt=attempt,
        command="true",
        runtime=runtime,
        code=Path("code.zip"),
        environments=Path("environments"),
        gpus=(),
    )
    job.create(spec, a_definition())


def run(job: JobDirectory, attempt: int) -> None:
    """Leave what an attempt leaves."""
    create(job, attempt)
    job.secrets.unlink()
    with job.log.open("a") as log:
        log.write(f"attempt {attempt}\n")
    files = ("run.json", "exit.json", "exit-if-lost.json", "resources.json", "stalls.json", "usage.json", "output")
    lines = dict.fromkeys((*files, "phase.json", "metrics.jsonl", "usage.jsonl", "boards.json"), b"{}")
    folders = dict.fromkeys(("code/main.py", "data/x/y", "results/m", "checkpoints/c", "logs/load-data.log"), b"1")
    write_tree(
        job.path, lines | folders | {"logs/learner.log": f"learner {attempt}".encode(), ".spec.json.1.part": b""}
    )
    resumed_from = ResumedFrom(training_id="earlier", attempt=1, number=attempt)
    write_job_file(job.checkpoints, CheckpointsFile(newest=NEWEST, resumed_from=resumed_from))


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    job = JobDirectory(tmp_path / "training-a")
    run(job, 1)
    return job


def assert_put_away(job: JobDirectory) -> None:
    assert {one.name for one in job.path.iterdir()} == KEPT_FILES
    assert job.log.read_text() == "attempt 1\n"
    logs = {"attempt-1/learner.log": b"learner 1", "attempt-1/load-data.log": b"1"}
    assert read_tree(job.subdirectory("logs")) == logs
    assert read_job_file(job.checkpoints, CheckpointsFile) == CheckpointsFile(newest=NEWEST)


def test_only_what_the_next_attempt_continues_stays(job: JobDirectory) -> None:
    put_away_earlier_attempt(job, 2)
    assert_put_away(job)
    put_away_earlier_attempt(job, 2)
    assert_put_away(job)


def test_logs_of_each_attempt_have_a_folder(job: JobDirectory) -> None:
    for attempt in (2, 3):
        put_away_earlier_attempt(job, attempt)
        run(job, attempt)
    put_away_earlier_attempt(job, 4)
    learner_logs = {name: text for name, text in read_tree(job.subdirectory("logs")).items() if "learner" in name}
    assert learner_logs == {f"attempt-{number}/learner.log": f"learner {number}".encode() for number in (1, 2, 3)}


def test_directory_needs_preparation_until_its_spec_is_of_the_attempt(job: JobDirectory) -> None:
    assert [needs_preparation(job, attempt) for attempt in (1, 2)] == [False, True]
    put_away_earlier_attempt(job, 2)
    assert needs_preparation(job, 2)
    create(job, 2)
    assert [needs_preparation(job, attempt) for attempt in (2, 3)] == [False, True]
    job.spec.write_text("damaged by a command")
    assert not needs_preparation(job, 2)


def test_missing_directory_needs_preparation_and_none_is_put_away(tmp_path: Path) -> None:
    job = JobDirectory(tmp_path / "lost")
    assert needs_preparation(job, 2)
    put_away_earlier_attempt(job, 2)
    assert not job.path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda job: (job.path / "logs").rename(job.path / "elsewhere") and (job.path / "logs").symlink_to("elsewhere"),
        lambda job: (job.path / "logs").rename(job.path / "elsewhere") and (job.path / "logs").write_text(""),
        lambda job: job.run.unlink() or job.run.mkdir(),
        lambda job: (job.path / "code" / "loop").symlink_to("loop"),
        lambda job: (job.path / ".logs-of-attempt-1").write_text(""),
        lambda job: job.checkpoints.write_text("no JSON"),
        lambda job: job.spec.write_text("no JSON"),
    ],
)
def test_whatever_a_command_made_of_the_directory_it_can_be_prepared(
    job: JobDirectory, damage: Callable[[JobDirectory], object]
) -> None:
    damage(job)
    put_away_earlier_attempt(job, 2)
    create(job, 2)
    assert not job.is_claimed
    assert job.subdirectory("logs").is_dir()
    assert not job.subdirectory("logs").is_symlink()
    assert not needs_preparation(job, 2)


def interrupt(job: JobDirectory, change: int) -> bool:
    """Put away in a process that ends before change number *change* of the file system; return whether it did."""
    pid = os.fork()
    if pid == 0:
        left = [change]

        def end(event: str, arguments: tuple[object, ...]) -> None:
            is_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in {"os.remove", "os.rename", "os.mkdir", "os.rmdir"} or is_write:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(3)

        sys.addaudithook(end)
        try:
            put_away_earlier_attempt(job, 2)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3


def test_putting_away_can_be_interrupted_before_every_change(tmp_path: Path) -> None:
    change = 1
    while True:
        job = JobDirectory(tmp_path / f"training-{change}")
        run(job, 1)
        was_interrupted = interrupt(job, change)
        assert needs_preparation(job, 2)
        put_away_earlier_attempt(job, 2)
        assert_put_away(job)
        if not was_interrupted:
            break
        change += 1
    assert change > 20
