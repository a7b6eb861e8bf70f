"""How `runtimes` describes an entry."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dlaas.cli.doctor.checks import Outcome
from airflow_dlaas.cli.doctor.service_checks import judge_runtimes
from airflow_dlaas.cli.runtimes import _describe_disk
from airflow_dlaas.contract.instance import Runtime


def runtime(framework: str = "python", **more: Any) -> Runtime:
    return Runtime(framework=framework, version="3.11", provides="x", **more)


@pytest.mark.parametrize(
    ("reported", "text"),
    [
        ({}, ""),  # by an older service
        ({"kind": "prefix"}, "prefix"),
        ({"kind": "uv", "prepared": False}, "not made yet"),
        ({"kind": "uv", "prepared": True, "environment_bytes": 3 * 2**29}, "made, 1.5 GiB"),
    ],
)
def test_environment_is_described_by_what_the_service_reports(reported: dict[str, Any], text: str) -> None:
    assert _describe_disk(runtime(**reported)) == text


def test_doctor_takes_no_missing_version_of_python_for_a_problem() -> None:
    missing = runtime(unavailable="not installed")
    assert judge_runtimes((runtime(), missing), 4).outcome is Outcome.OK
    assert judge_runtimes((runtime(), runtime("caffe", unavailable="no folder")), 4).outcome is Outcome.WARNING
    assert judge_runtimes((runtime("torch"), missing), 4).outcome is Outcome.WARNING


def test_doctor_names_the_problem_of_a_changed_catalogue() -> None:
    found = judge_runtimes((runtime(),), 4, "The runtime catalogue x.toml is no TOML")
    assert (found.outcome, "x.toml is no TOML" in found.text) == (Outcome.WARNING, True)
