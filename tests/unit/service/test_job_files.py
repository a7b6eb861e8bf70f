"""Creating, abandoning and deleting a job directory."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import NO_PROCESS, ExitFile, ProcessIdentity
from airflow_dlaas.service.job_spec import JobSpec, RuntimeSpec
from tests.conformance.store.conftest import a_definition

EXIT = ExitFile(state=TrainingState.CANCELED, finished_at=datetime(2026, 1, 1, tzinfo=timezone.utc))


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    return JobDirectory(tmp_path / "jobs" / "training-a")


def _create(job: JobDirectory) -> tuple[JobSpec, TrainingDefinition]:
    definition = a_definition()
    spec = JobSpec(
        training_id="training-a",
        command="true",
        runtime=RuntimeSpec(key="x", kind="prefix", provides="x"),
        code=Path("code.zip"),
        environments=Path("environments"),
        gpus=(),
    )
    job.create(spec, definition)
    return spec, definition


def test_create_writes_a_private_directory_and_can_be_repeated(job: JobDirectory) -> None:
    _create(job)
    spec, definition = _create(job)
    assert read_job_file(job.spec, JobSpec) == spec
    assert read_job_file(job.secrets, TrainingDefinition) == definition
    assert (job.path.stat().st_mode & 0o777, job.secrets.stat().st_mode & 0o777) == (0o700, 0o600)
    assert sorted(entry.name for entry in job.path.iterdir()) == ["secrets.json", "spec.json"]


def test_abandon_claims_the_job_and_leaves_the_outcome(job: JobDirectory) -> None:
    _create(job)
    assert job.abandon(EXIT)
    assert job.is_claimed
    assert read_job_file(job.run, ProcessIdentity) == NO_PROCESS
    assert read_job_file(job.exit, ExitFile) == EXIT


def test_abandon_leaves_a_claimed_job_as_it_is(job: JobDirectory) -> None:
    _create(job)
    job.run.write_text("{}")
    assert not job.abandon(EXIT)
    assert job.run.read_text() == "{}"
    assert not job.exit.exists()


def test_abandon_without_a_directory_succeeds(job: JobDirectory) -> None:
    assert job.abandon(EXIT)
    assert not job.path.exists()


def test_delete_removes_the_directory_and_can_be_repeated(job: JobDirectory) -> None:
    _create(job)
    job.subdirectory("logs").mkdir()
    job.delete()
    assert not job.path.exists()
    job.delete()


def test_erase_secrets_removes_what_an_interrupted_write_has_left(job: JobDirectory) -> None:
    _create(job)
    leftover = job.path / ".secrets.json.0123456789abcdef.part"
    leftover.touch()
    job.erase_secrets()
    assert [entry.name for entry in job.path.iterdir()] == ["spec.json"]
