"""How many monitors may be open."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from airflow_dlaas.errors import RateLimited
from airflow_dlaas.service.api.monitor_limit import LATEST, SOONEST, SPACING, MonitorLimit


def refused(limit: MonitorLimit, most: int, *, ended: bool = False) -> float:
    with pytest.raises(RateLimited) as error, limit.one_more(most, ended=ended):
        pass
    assert error.value.retry_after is not None
    return error.value.retry_after


def test_one_more_is_refused_until_another_closes() -> None:
    limit = MonitorLimit(lambda: 0.0)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(limit.one_more(2, ended=False))
        second.enter_context(limit.one_more(2, ended=False))
        refused(limit, 2)
        first.close()
        with limit.one_more(2, ended=False):
            refused(limit, 2)


def test_what_has_ended_is_counted_apart() -> None:
    limit = MonitorLimit(lambda: 0.0)
    with limit.one_more(1, ended=False), limit.one_more(1, ended=True):
        refused(limit, 1, ended=False)
        refused(limit, 1, ended=True)


def test_thousands_that_are_refused_do_not_come_back_together() -> None:
    now = 100.0
    limit = MonitorLimit(lambda: now)
    with limit.one_more(1, ended=False):
        times = [refused(limit, 1) for _ in range(1000)]
        assert times[0] == pytest.approx(SOONEST + SPACING)
        assert times == sorted(times)
        assert times[-1] == pytest.approx(SOONEST + 1000 * SPACING)
        assert max(refused(limit, 1) for _ in range(10_000)) == LATEST
        now += 10_000
        assert refused(limit, 1) == pytest.approx(SOONEST + SPACING)


def test_the_operator_reads_once_that_there_are_too_many(caplog: pytest.LogCaptureFixture) -> None:
    limit = MonitorLimit(lambda: 0.0)
    for _ in range(2):
        with limit.one_more(1, ended=False):
            for _ in range(5):
                refused(limit, 1)
    assert [one.levelname for one in caplog.records] == ["WARNING"] * 2
    assert "DLAAS_MONITOR_LIMIT" in caplog.text
