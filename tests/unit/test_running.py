"""The hooks of pytest in `tests.running`."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.running import (
    AIRFLOW,
    GROUPS,
    LONGEST_FIRST,
    TESTS,
    UNIT_TIMEOUT,
    Interrupt,
    group_of,
    pytest_runtest_call,
    pytest_terminal_summary,
    require_little_work,
)


def test_airflow_reads_the_configuration_of_the_tests_only() -> None:
    from airflow.configuration import AIRFLOW_CONFIG

    assert Path(AIRFLOW_CONFIG).parent == Path(os.environ["AIRFLOW_HOME"])
    assert not Path(AIRFLOW_CONFIG).is_relative_to(Path.home())


def test_unit_test_has_a_timeout_of_a_minute(request: pytest.FixtureRequest) -> None:
    marker = request.node.get_closest_marker("timeout")
    assert marker is not None
    assert marker.args == (UNIT_TIMEOUT,) == (60,)


def test_unit_test_may_use_ten_seconds_of_processor_time(pytestconfig: pytest.Config) -> None:
    require_little_work(10)
    with pytest.raises(pytest.fail.Exception, match="may use 10"):
        require_little_work(10.1)
    hooks = pytestconfig.pluginmanager.hook.pytest_runtest_call.get_hookimpls()
    assert pytest_runtest_call in [hook.function for hook in hooks]


def test_hypothesis_examples_have_no_time_limit() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check


def test_tests_that_kill_an_airflow_share_it_with_no_others() -> None:
    files = (str(one.relative_to(TESTS.parent)) for one in (TESTS / "system").glob("test_*.py"))
    groups = {file: group_of(f"{file}::test") for file in files}
    assert set(groups.values()) == {AIRFLOW, *GROUPS.values()}
    assert {file for file, group in groups.items() if group != AIRFLOW} == set(GROUPS)


def test_tests_of_one_file_run_on_one_worker() -> None:
    assert group_of("tests/unit/a.py::test_b[x::y]") == group_of("tests/unit/a.py::C::test_d") == "tests/unit/a.py"


def test_folders_of_longest_first_exist() -> None:
    assert [folder for folder in LONGEST_FIRST if not (TESTS / folder).is_dir()] == []


def test_sigterm_ends_the_tests_like_ctrl_c() -> None:
    assert isinstance(signal.getsignal(signal.SIGTERM), Interrupt)
    assert isinstance(signal.getsignal(signal.SIGHUP), Interrupt) or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    with pytest.raises(KeyboardInterrupt):
        Interrupt()(signal.SIGTERM, None)


@pytest.mark.parametrize(("first", "second"), [("SIGTERM", "SIGINT"), ("SIGINT", "SIGTERM")])
def test_two_different_signals_interrupt_once(first: str, second: str) -> None:
    interrupt = Interrupt()
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.Signals[first], None)
    interrupt(signal.Signals[second], None)
    with pytest.raises(KeyboardInterrupt):
        interrupt(signal.Signals[first], None)


def test_summary_has_each_skip_reason_once_with_its_number(request: pytest.FixtureRequest) -> None:
    output = io.StringIO()
    reporter = pytest.TerminalReporter(request.config, file=output)
    npm, registry = "npm is not installed: install Node.js", "There is no registry: connect to it"
    reporter.stats["skipped"] = [skipped(registry), *(skipped(npm) for _ in range(3))]
    pytest_terminal_summary(reporter)
    title, *lines = output.getvalue().splitlines()
    assert "skipped tests, and how to run them" in title
    assert [line.split(maxsplit=1) for line in lines] == [["3", npm], ["1", registry]]


def test_summary_is_empty_without_skipped_tests(request: pytest.FixtureRequest) -> None:
    output = io.StringIO()
    pytest_terminal_summary(pytest.TerminalReporter(request.config, file=output))
    assert output.getvalue() == ""


def skipped(reason: str) -> pytest.TestReport:
    longrepr = ("test_it.py", 1, f"Skipped: {reason}")
    return pytest.TestReport("test_it.py::test", ("test_it.py", 1, "test"), {}, "skipped", longrepr, "call")
