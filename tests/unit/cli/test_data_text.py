"""How the console describes training data."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.data_text import comparison_lines, describe_data, describe_loading, describe_source
from airflow_dlaas.cli.training_text import training_fields
from airflow_dlaas.contract.data_report import DataReport, DataSourceReport, LoadProgress
from airflow_dlaas.contract.stores import StoreType
from tests.unit.cli.trainings import make_training

MIB = 1024**2
VERSION = "sha256:" + "0123456789abcdef" * 4
DIGITS = DataSourceReport(
    name="digits",
    type=StoreType.S3,
    prefix="train/",
    version=VERSION,
    files=1000,
    bytes=30 * MIB,
    cached_files=1,
    cached_bytes=3,
)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ({}, "1.5 MiB of 30.0 MiB, 120 of 1,000 files"),
        ({"bytes_per_second": MIB, "seconds_left": 28.5}, ", 1.0 MiB/s, 0:00:28 left"),
        ({"bytes_per_second": 0.0}, ", 0 B/s"),
    ],
)
def test_progress_has_bytes_files_rate_and_the_time_that_is_left(rate: dict[str, float], text: str) -> None:
    progress = LoadProgress(files=120, total_files=1000, bytes=3 * MIB // 2, total_bytes=30 * MIB, **rate)
    assert text in describe_loading(progress)


def test_source_has_its_folder_its_size_its_version_and_what_was_cached() -> None:
    assert describe_source(DIGITS) == (
        "digits/train: 1,000 files (30.0 MiB), sha256:0123456789ab…, 1 file (3 B) from the cache"
    )
    mounted = DataSourceReport(name="/data/imagenet", type=StoreType.MOUNT, folder="imagenet")
    assert describe_source(mounted) == "/data/imagenet: mounted"


def test_report_has_a_line_for_each_source_and_the_time() -> None:
    lines = (describe_data(DataReport(sources=(DIGITS, DIGITS), seconds=2.25)) or "").splitlines()
    assert (len(lines), lines[-1]) == (3, "in place after 2.2 s")
    assert describe_data(None) is None
    assert describe_data(DataReport()) == ""


def test_fields_of_a_training_have_the_progress_and_the_data() -> None:
    loading = {"files": 1, "total_files": 2, "bytes": 1, "total_bytes": 2}
    fields = training_fields(make_training(state="running", loading=loading))
    assert (fields["loading"], fields["data"]) == ("1 B of 2 B, 1 of 2 files", None)
    data = {"sources": [{"name": "digits", "type": "s3", "files": 2, "bytes": 2}]}
    fields = training_fields(make_training(data=data))
    assert (fields["loading"], fields["data"]) == (None, "digits: 2 files (2 B)")


def test_comparison_has_the_numbers_and_the_first_names() -> None:
    changes = {"added": tuple(f"new-{number}" for number in range(22)), "removed": (), "changed": ("labels.csv",)}
    lines = list(comparison_lines(DIGITS, DIGITS, changes))
    assert lines[0] == "digits/train: 22 added, 1 changed"
    assert lines[1:3] == ["  + new-0", "  + new-1"]
    assert lines[-2:] == ["  + and 2 more", "  ~ labels.csv"]


def test_equal_sources_and_sources_that_cannot_be_compared_are_one_line() -> None:
    nothing = {"added": (), "removed": (), "changed": ()}
    assert list(comparison_lines(DIGITS, DIGITS, nothing)) == [f"digits/train: equal ({VERSION})"]
    (only,) = comparison_lines(None, DIGITS, nothing)
    assert only.startswith("only the second: digits/train: 1,000 files")
    mounted = DataSourceReport(name="/data", type=StoreType.MOUNT)
    (line,) = comparison_lines(mounted, DIGITS, nothing)
    assert line == "/data → digits/train: a mounted folder is not listed, so it is not compared"
