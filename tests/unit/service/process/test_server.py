"""The limit of open files of the server."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from airflow_dlaas.service.server import _raise_file_limit


@pytest.fixture
def hard() -> Iterator[int]:
    """The hard limit, after the soft limit was set to 500; both are restored after the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1000:
        pytest.skip("this process may have too few files open: ulimit -n 1000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def soft() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_file_limit_is_raised_and_never_lowered(hard: int) -> None:
    _raise_file_limit(800)
    assert soft() == 800
    _raise_file_limit(100)
    assert soft() == 800


def test_hard_limit_below_the_need_is_logged(hard: int, caplog: pytest.LogCaptureFixture) -> None:
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this process may have any number of files open: ulimit -n 4096")
    _raise_file_limit(hard + 7)
    assert soft() == hard
    assert "DLAAS_MONITOR_LIMIT by 7" in caplog.text
