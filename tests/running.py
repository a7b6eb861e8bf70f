"""How the tests run: in which order and on which worker, how long each may take, and what is said of those skipped."""

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
"""Seconds of the processor that a unit test may take. What else the machine does is not counted."""

UNIT_TIMEOUT = 60
"""Seconds after which a unit test counts as hung, on a machine that does a lot else."""

GROUPS = {
    # One Airflow for both: the tests that kill parts of it. The other system tests share another.
    "tests/system/test_one_run.py": "an Airflow that is killed",
    "tests/system/test_storm.py": "an Airflow that is killed",
}
"""What runs on one worker, one after the other, other than the tests of one file."""

AIRFLOW = "an Airflow"
"""The group of the other system tests."""

LONGEST_FIRST = ("system", "integration/service/learner", "chaos", "integration", "fuzz", "architecture", "conformance")
"""The folders below `TESTS` in the order of what their files take, so that no worker ends long after the others."""


NO_BUBBLEWRAP = "bubblewrap does not work here: apt-get install bubblewrap, and let its user make namespaces"
"""Why a test that needs it is skipped."""


class Interrupt:
    """
    A handler of SIGTERM, SIGINT and SIGHUP that ends the tests as Ctrl-C does: fixtures still stop what they started.

    ``timeout`` sends TERM to the whole process group, and bootstrap.py then sends INT too: one request to stop by two
    signals. The second must not interrupt the clean-up. The first signal repeated does.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._first: int | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # forked by a test, with no fixture to end
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._first = self._first or number
        if number == self._first:
            raise KeyboardInterrupt


_own_homes: list[str] = []
"""Folders that `own_airflow_home` has made, to be removed in the end."""


def own_airflow_home() -> None:
    """
    Give this process an AIRFLOW_HOME of its own.

    Airflow writes its configuration there when it is first imported, and reads it while another process writes it; a
    user's own configuration must not decide how tests end. To be called before anything imports Airflow: pytest loads
    the conftest.py files of the paths that it is given before it calls `pytest_configure`.
    """
    os.environ["AIRFLOW_HOME"] = home = tempfile.mkdtemp(prefix="dlaas-airflow-home-")
    _own_homes.append(home)


def let_examples_take_their_time() -> None:
    """
    Let no example of Hypothesis fail for the time it takes: 200 ms are little where other processes compute too.

    To be called before a test's module is loaded: `settings` take what they do not name from the profile of then.
    """
    settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tests")


def pytest_configure(config: pytest.Config) -> None:
    """Remove this process's AIRFLOW_HOME at its end; end the tests in order on SIGTERM."""
    for home in _own_homes:
        config.add_cleanup(partial(shutil.rmtree, home, ignore_errors=True))
    if threading.current_thread() is threading.main_thread():
        interrupt = Interrupt()
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
        for number in (signal.SIGTERM, signal.SIGINT, *(() if ignored else (signal.SIGHUP,))):
            config.add_cleanup(partial(signal.signal, number, signal.signal(number, interrupt)))


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    """Bound what a unit test takes; on a worker, begin with what takes longest."""
    for item in items:
        if item.path.is_relative_to(TESTS / "unit") and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(UNIT_TIMEOUT))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _rank(item.path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a unit test that takes more of the processor than `UNIT_PROCESSOR_SECONDS`."""
    before = time.process_time()
    yield
    if item.path.is_relative_to(TESTS / "unit"):
        require_little_work(time.process_time() - before)


def require_little_work(seconds: float) -> None:
    """
    Fail the test that runs if it took more of the processor than a unit test may.

    :param seconds: what it took.
    """
    if seconds > UNIT_PROCESSOR_SECONDS:
        pytest.fail(f"took {seconds:.1f} s of the processor; a unit test may take {UNIT_PROCESSOR_SECONDS:g}")


def _rank(path: Path) -> int:
    for rank, folder in enumerate(LONGEST_FIRST):
        if path.is_relative_to(TESTS / folder):
            return rank
    return len(LONGEST_FIRST)


def group_of(nodeid: str) -> str:
    """What runs on the same worker as the test: fixtures that cost much are made once for all of it."""
    file = nodeid.partition("::")[0]
    return GROUPS.get(file) or (AIRFLOW if file.startswith("tests/system/") else file)


class Grouped(LoadScopeScheduling):
    """Gives a worker one group after the other, in the order in which the tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Grouped:
    """Distribute by `group_of`."""
    config.option.loadscopereorder = False
    return Grouped(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say each reason for which tests were skipped, once, with their number: a reason says how to have them run."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    if reasons:
        terminalreporter.section("skipped, and how to have it")
    for reason, number in reasons.most_common():
        terminalreporter.line(f"{number:>4}  {reason}")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    return reason.removeprefix("Skipped: ")
