"""The training data in the status of a training: the progress while it is loaded, and what was read."""

from __future__ import annotations

import pytest

from airflow_dlaas.contract.data_report import DataReport, DataSourceReport, LoadProgress
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.service.job_reports import DataFile
from tests.unit.service.api.test_attempts import begin_attempt, between_attempts
from tests.unit.service.api.test_damage import damaged_files
from tests.unit.service.api.test_models import end, start, status

LOADING = LoadProgress(files=3, total_files=10, bytes=300, total_bytes=1000, bytes_per_second=50.0, seconds_left=14.0)
REPORT = DataReport(
    sources=(
        DataSourceReport(name="c", type=StoreType.S3, version=f"sha256:{1:064x}", files=10, bytes=1000, cached_files=7),
        DataSourceReport(name="/data/imagenet", type=StoreType.MOUNT, folder="imagenet"),
    ),
    seconds=20.5,
    manifest="training-x/training-data.json",
)


def write(service, run: str, **values: object) -> None:
    service.job(run).data_report.write_text(DataFile.model_validate(values).model_dump_json())


@pytest.fixture
def run(service) -> str:
    made = service.submit()
    start(service, made)
    return made


def test_progress_is_reported_while_the_data_is_loaded(service, run: str) -> None:
    assert status(service, run).keys().isdisjoint({"loading", "data"})
    write(service, run, loading=LOADING)
    found = status(service, run)
    assert found["loading"] == LOADING.model_dump()
    assert "data" not in found
    end(service, run)
    assert "loading" not in status(service, run)


def test_report_is_that_of_the_job_directory_until_the_end_and_then_that_of_the_record(service, run: str) -> None:
    write(service, run, report=REPORT)
    assert status(service, run)["data"] == REPORT.model_dump(mode="json", exclude_none=True)
    end(service, run, data_report=REPORT)
    service.job(run).delete()
    assert status(service, run)["data"] == REPORT.model_dump(mode="json", exclude_none=True)
    assert "loading" not in status(service, run)


def test_report_of_an_earlier_attempt_is_not_that_of_the_present_one(service, run: str) -> None:
    write(service, run, report=REPORT, loading=LOADING)
    between_attempts(service, run)
    assert status(service, run).keys().isdisjoint({"loading", "data"})
    begin_attempt(service, run)
    write(service, run, report=REPORT, attempt=2)
    assert status(service, run)["data"]["seconds"] == 20.5


def test_damaged_file_leaves_the_report_out(service, run: str) -> None:
    for _ in damaged_files(service.job(run).data_report):
        assert status(service, run).keys().isdisjoint({"loading", "data"})
