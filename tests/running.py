"""Hooks of pytest: the order and the worker of tests, their time limits, and the summary of the skipped ones."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent

UNIT_PROCESSOR_SECONDS = 10.0
"""Seconds of processor time for a unit test. Other processes do not count."""

UNIT_TIMEOUT = 60
"""Seconds after which a unit test counts as hung, also on a busy machine."""

GROUPS = {
    # One Airflow for all of these, whose parts the tests kill. The other system tests share another one.
    "tests/system/test_checkpoint_storm.py": "an Airflow that is killed",
    "tests/system/test_one_run.py": "an Airflow that is killed",
    "tests/system/test_storm.py": "an Airflow that is killed",
}
"""Files that run on one worker, one after the other."""

AIRFLOW = "an Airflow"
"""The group of the other system tests."""

LONGEST_FIRST = ("system", "integration/service/learner", "chaos", "integration", "fuzz", "architecture", "conformance")
"""Folders below `TESTS` in the order of their duration, so that no worker ends long after the others."""


NO_BUBBLEWRAP = "bubblewrap does not work here: apt-get install bubblewrap, and let its user make namespaces"
"""The reason with which tests that need it are skipped."""


class Interrupt:
    """
    A handler of SIGTERM, SIGINT and SIGHUP that ends the tests like Ctrl-C: fixtures still stop their processes.

    ``timeout`` sends TERM to the whole process group, and bootstrap.py then sends INT too: two signals for one request.
    The second one must not interrupt the clean-up; a repetition of the first one does.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._first: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # forked by a test, without fixtures
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._first = self._first or number
        if number == self._first:
            raise KeyboardInterrupt


_own_homes: list[str] = []
"""Folders that `own_airflow_home` has created; they are removed at the end."""


def own_airflow_home() -> None:
    """
    Set AIRFLOW_HOME to a new folder for this process.

    Airflow writes its configuration there at its first import, and may read it while another process writes it; a
    user's own configuration must not influence the tests. Call this before the first import of Airflow: pytest loads
    the conftest.py files of its arguments before it calls `pytest_configure`.
    """
    os.environ["AIRFLOW_HOME"] = home = tempfile.mkdtemp(prefix="dlaas-airflow-home-")
    _own_homes.append(home)


def let_examples_take_their_time() -> None:
    """
    Switch off Hypothesis' time limits for examples: 200 ms are too short on a busy machine.

    Call this before the modules of tests are loaded: `settings` read their defaults from the current profile.
    """
    settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Register the removal of this process's AIRFLOW_HOME and the handler of signals."""
    for home in _own_homes:
        config.add_cleanup(partial(shutil.rmtree, home, ignore_errors=True))
    if threading.current_thread() is threading.main_thread():
        interrupt = Interrupt()
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
        for number in (signal.SIGTERM, signal.SIGINT, *(() if ignored else (signal.SIGHUP,))):
            config.add_cleanup(partial(signal.signal, number, signal.signal(number, interrupt)))


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Set the timeout of unit tests; on a worker, sort by duration."""
    for item in items:
        if item.path.is_relative_to(TESTS / "unit") and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(UNIT_TIMEOUT))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a unit test with more processor time than `UNIT_PROCESSOR_SECONDS`."""
    before = time.process_time()
    yield
    if item.path.is_relative_to(TESTS / "unit"):
        require_little_work(time.process_time() - before)


def require_little_work(seconds: float) -> None:
    """
    Fail the current test if its processor time is more than a unit test may use.

    :param seconds: the processor time of the test.
    """
    if seconds > UNIT_PROCESSOR_SECONDS:
        pytest.fail(f"used {seconds:.1f} s of processor time; a unit test may use {UNIT_PROCESSOR_SECONDS:g}")


def _rank(path: Path) -> int:
    for rank, folder in enumerate(LONGEST_FIRST):
        if path.is_relative_to(TESTS / folder):
            return rank
    return len(LONGEST_FIRST)


def group_of(nodeid: str) -> str:
    """Return the group of a test. A group runs on one worker, which creates its costly fixtures once."""
    file = nodeid.partition("::")[0]
    return GROUPS.get(file) or (AIRFLOW if file.startswith("tests/system/") else file)


class Grouped(LoadScopeScheduling):
    """Assigns groups to workers one after the other, in the order in which the tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped:
    """Distribute by `group_of`."""
    config.option.loadscopereorder = False
    return Grouped(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each reason for skipped tests once, with their number. The reasons explain how to run the tests."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        terminalreporter.section("skipped tests, and how to run them")
    for reason, number in reasons.most_common():
        terminalreporter.line(f"{number:>4}  {reason}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    return reason.removeprefix("Skipped: ")
