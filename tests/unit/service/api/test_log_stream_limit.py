"""The limit of open log streams."""

from __future__ import annotations

from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.exceptions import RateLimited
from airflow_dlaas.service.api.log_stream_limit import (
    MAX_RETRY_AFTER,
    MIN_RETRY_AFTER,
    RETRY_SPACING,
    LogStreamLimit,
    user_share,
)


def refused(limit: LogStreamLimit, most: int, user: str = "ada", *, ended: bool = False) -> float:
    with pytest.raises(RateLimited, match="DLAAS_MONITOR_LIMIT") as error, limit.acquire(user, most, ended=ended):
        pass
    assert error.value.retry_after is not None
    return error.value.retry_after


def fill(limit: LogStreamLimit, most: int, user: str, stack: ExitStack, *, ended: bool = False) -> int:
    """Open as many log streams of *user* as permitted; return their number."""
    number = 0
    with suppress(RateLimited):
        for number in range(most + 1):  # noqa: B007
            stack.enter_context(limit.acquire(user, most, ended=ended))
    return number


def test_log_stream_above_the_limit_is_refused_until_one_closes() -> None:
    limit = LogStreamLimit(lambda: 0.0)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(limit.acquire("ada", 2, ended=False))
        second.enter_context(limit.acquire("bob", 2, ended=False))
        refused(limit, 2, "eve")
        first.close()
        with limit.acquire("eve", 2, ended=False):
            refused(limit, 2, "ada")


def test_log_streams_of_ended_trainings_are_counted_separately() -> None:
    limit = LogStreamLimit(lambda: 0.0)
    with limit.acquire("ada", 1, ended=False), limit.acquire("ada", 1, ended=True):
        refused(limit, 1, ended=False)
        refused(limit, 1, ended=True)


@pytest.mark.parametrize(("most", "first", "second"), [(2000, 1800, 180), (8, 7, 1), (3, 2, 1), (2, 1, 1), (1, 1, 0)])
@pytest.mark.parametrize("ended", [False, True])
def test_user_share_is_nine_tenths_of_what_others_leave(most: int, first: int, second: int, ended: bool) -> None:
    limit = LogStreamLimit(lambda: 0.0)
    with ExitStack() as stack, ExitStack() as others:
        assert fill(limit, most, "ada", stack, ended=ended) == first
        assert fill(limit, most, "bob", others, ended=ended) == second
        refused(limit, most, "ada", ended=ended)
        stack.close()
        assert fill(limit, most, "ada", stack, ended=ended) == user_share(most, used_by_others=second)


@given(st.integers(2, 200), st.lists(st.sampled_from("abcdefgh"), max_size=400))
def test_user_with_several_log_streams_leaves_one_to_others(most: int, opened: list[str]) -> None:
    limit, held = LogStreamLimit(lambda: 0.0), dict.fromkeys(opened, 0)
    with ExitStack() as stack:
        for user in opened:
            free = most - sum(held.values())
            try:
                stack.enter_context(limit.acquire(user, most, ended=False))
            except RateLimited:
                assert not free or held[user]  # a user without a log stream gets a free one
                continue
            held[user] += 1
            assert free > 1 or held[user] == 1  # a user who has one does not get the last one
    assert fill(limit, most, "a", ExitStack()) == user_share(most, used_by_others=0)  # all were released


def test_refused_clients_get_different_retry_times() -> None:
    now = 100.0
    limit = LogStreamLimit(lambda: now)
    with limit.acquire("ada", 1, ended=False):
        times = [refused(limit, 1) for _ in range(1000)]
        assert times[0] == pytest.approx(MIN_RETRY_AFTER + RETRY_SPACING)
        assert times == sorted(times)
        assert times[-1] == pytest.approx(MIN_RETRY_AFTER + 1000 * RETRY_SPACING)
        assert max(refused(limit, 1) for _ in range(10_000)) == MAX_RETRY_AFTER
        now += 10_000
        assert refused(limit, 1) == pytest.approx(MIN_RETRY_AFTER + RETRY_SPACING)


def test_retry_times_of_users_are_independent() -> None:
    limit = LogStreamLimit(lambda: 0.0)
    with limit.acquire("ada", 1, ended=False):
        for _ in range(1000):
            refused(limit, 1, "ada")
        assert refused(limit, 1, "bob") == pytest.approx(MIN_RETRY_AFTER + RETRY_SPACING)


def test_reached_limit_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    limit = LogStreamLimit(lambda: 0.0)
    for _ in range(2):
        with limit.acquire("ada", 1, ended=False):
            for _ in range(5):
                refused(limit, 1)
    assert [one.levelname for one in caplog.records] == ["WARNING"] * 2
    assert "DLAAS_MONITOR_LIMIT" in caplog.text


def test_reached_user_share_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    limit = LogStreamLimit(lambda: 0.0)
    with limit.acquire("ada", 2, ended=False):
        for _ in range(5):
            refused(limit, 2, "ada")
        with limit.acquire("bob", 2, ended=False):
            pass
        refused(limit, 2, "ada")
    assert ["User ada has 1 log streams open" in one.getMessage() for one in caplog.records] == [True]
