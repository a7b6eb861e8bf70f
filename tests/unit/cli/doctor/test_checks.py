"""The checks of `doctor`, as far as they need no service."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_dlaas import __version__
from airflow_dlaas.cli.doctor.checks import Check, Outcome, exit_code, failed, ok, skipped, warning
from airflow_dlaas.cli.doctor.machine_checks import (
    FRAMEWORK_BYTES,
    MIN_FREE_BYTES,
    check_data_cache,
    check_disk,
    check_gpus,
    check_mounts,
    check_results_store,
)
from airflow_dlaas.cli.doctor.machine_checks import check_isolation as check_isolation_of_commands
from airflow_dlaas.cli.doctor.service_checks import check_clock, check_version, judge_runtimes
from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.service.config.settings import Settings
from airflow_dlaas.service.mount_roots import parse_mount_roots

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def runtime(version: str, unavailable: str | None = None) -> Runtime:
    return Runtime(framework="torch", version=version, provides="…", unavailable=unavailable)


@pytest.mark.parametrize(
    ("checks", "code"),
    [
        ([ok("a", ""), warning("b", "", "c"), skipped("d", "")], ExitCode.SUCCESS),
        ([ok("a", ""), failed("b", "", "c")], ExitCode.FAILED),
    ],
)
def test_exit_code_is_1_only_if_a_check_failed(checks: list[Check], code: ExitCode) -> None:
    assert exit_code(checks) == code


@pytest.mark.parametrize(
    ("seconds", "outcome", "text"),
    [
        (30, Outcome.OK, "30 s from"),
        (-30, Outcome.OK, "30 s from"),
        (3600, Outcome.WARNING, "3,600 s ahead of the service"),
        (-90, Outcome.WARNING, "90 s behind the service"),
    ],
)
def test_clock_is_compared_with_that_of_the_service(seconds: float, outcome: Outcome, text: str) -> None:
    check = check_clock("Thu, 01 Jan 2026 12:00:00 GMT", NOON + timedelta(seconds=seconds))
    assert (check.outcome, text in check.text) == (outcome, True)
    assert check_clock("no date", NOON).outcome is Outcome.SKIPPED


def test_version_of_the_service_should_be_that_of_the_console() -> None:
    assert check_version(__version__).outcome is Outcome.OK
    assert check_version("99.0").outcome is Outcome.WARNING


def test_catalogue_needs_one_framework_that_can_be_used() -> None:
    assert judge_runtimes((runtime("2"),), 4) == ok("runtimes", "torch 2; 4 GPU slots")
    assert judge_runtimes((runtime("2"), runtime("3", "no driver")), 4).outcome is Outcome.WARNING
    check = judge_runtimes((runtime("3", "no driver"),), 4)
    assert (check.outcome, check.text) == (Outcome.FAILED, "torch 3: no driver")
    assert judge_runtimes((), 4).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("free", "outcome"),
    [
        (FRAMEWORK_BYTES, Outcome.OK),
        (FRAMEWORK_BYTES - 1, Outcome.WARNING),
        (MIN_FREE_BYTES - 1, Outcome.FAILED),
    ],
)
def test_disk_needs_space_for_a_framework(tmp_path: Path, free: int, outcome: Outcome) -> None:
    assert check_disk(tmp_path / "home" / "new", lambda _: (0, 0, free)).outcome is outcome


def test_gpus_of_a_setting_are_accepted_without_a_device() -> None:
    assert check_gpus("virtual:3").outcome is Outcome.OK
    assert check_gpus("0,1").text == "2: 0, 1"
    assert check_gpus("virtual:x").outcome is Outcome.FAILED


def test_missing_bubblewrap_is_a_failure_only_where_it_is_required() -> None:
    def find(_: str) -> None:
        return None

    assert check_isolation_of_commands("auto", find).outcome is Outcome.WARNING
    assert check_isolation_of_commands("bubblewrap", find).outcome is Outcome.FAILED
    assert check_isolation_of_commands("none", find).outcome is Outcome.WARNING
    check = check_isolation_of_commands("auto", lambda _: "/bin/false")
    assert (check.outcome, "does not work here" in check.text) == (Outcome.WARNING, True)


def test_cache_of_data_needs_a_folder_that_can_be_written(tmp_path: Path) -> None:
    check = check_data_cache(Settings(home=tmp_path / "home", data_cache_limit=1024**3))
    assert check == ok("data cache", f"up to 1.0 GiB at {tmp_path}/home/data-cache")
    assert check_data_cache(Settings(home=tmp_path, data_cache=None)).outcome is Outcome.OK


def test_roots_of_mounted_folders_should_exist(tmp_path: Path) -> None:
    assert check_mounts(parse_mount_roots(f"{tmp_path}:rw")) == ok("mounts", f"{tmp_path}:rw")
    check = check_mounts(parse_mount_roots(f"{tmp_path},{tmp_path}/none"))
    assert (check.outcome, check.text) == (Outcome.WARNING, f"there is no folder {tmp_path}/none on this machine")
    assert check_mounts(()).outcome is Outcome.OK


def test_file_with_the_store_of_results_is_readable_by_its_user_only(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    assert check_results_store(path).outcome is Outcome.FAILED
    path.write_text(json.dumps({"connection": {"anonymous": True}, "target": {"bucket": "b", "type": "s3"}}))
    path.chmod(0o644)
    check = check_results_store(path)
    assert (check.outcome, check.way_out) == (Outcome.WARNING, f"chmod 600 {path}")
    path.chmod(0o600)
    assert check_results_store(path).text == "b at https://s3.amazonaws.com, for definitions without a store"
    assert check_results_store(None).outcome is Outcome.OK


def test_every_problem_has_a_way_out() -> None:
    for check in (check_version("99.0"), check_gpus("x"), judge_runtimes((), 0), check_isolation_of_commands("none")):
        assert check.way_out, check
