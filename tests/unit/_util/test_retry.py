from __future__ import annotations

import asyncio
import logging
import math
from email.utils import formatdate
from itertools import islice

import pytest

from airflow_dlaas._util.retry import (
    NO_RETRY,
    RetryOptions,
    RetryPolicy,
    RetryState,
    call_with_retry,
    call_with_retry_async,
    parse_retry_after,
)
from airflow_dlaas._util.timer import Timer

NOW = 1_700_000_000.0
log = logging.getLogger("test_retry")


class Away(Exception):
    def __init__(self, text="away", *, retry_after=None):
        super().__init__(text)
        self.retry_after = retry_after


class Clock:
    """A clock that only `sleep` advances."""

    def __init__(self):
        self.now = 100.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds):
        self.sleep(seconds)


class Service:
    """Raises each of *errors*, one per call, and returns a result after that."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def ask(self):
        return self()


STEADY = RetryPolicy(attempts=4, first_pause=1, max_pause=3, jitter=0)


def call(
    service, policy=STEADY, clock=None, *, logger=log, is_transient=lambda error: isinstance(error, Away), **options
):
    clock = clock or Clock()
    return call_with_retry(
        service,
        policy,
        what="Submitting training 42",
        is_transient=lambda error: isinstance(error, Away),
        logger=logger,
        options=RetryOptions(**{"retry_after": lambda error: error.retry_after, **options}),
        timer=Timer(clock, clock.sleep, lambda: 0.5),
    )


# -- the policy ----------------------------------------------------------------


def test_pauses_double_up_to_the_limit_and_end_before_the_last_attempt():
    policy = RetryPolicy(attempts=6, first_pause=0.5, max_pause=4, jitter=0)
    assert list(policy.pauses()) == [0.5, 1, 2, 4, 4]
    assert list(NO_RETRY.pauses()) == []


def test_pauses_without_a_limit_of_attempts_never_end():
    policy = RetryPolicy(attempts=None, first_pause=1, max_pause=10, factor=1, jitter=0)
    assert list(islice(policy.pauses(), 5)) == [1] * 5


@pytest.mark.parametrize(("jitter", "least", "most"), [(0, 8, 8), (0.5, 4, 8), (1, 0, 8)])
def test_pauses_jitter_draws_from_a_part_of_the_pause(jitter, least, most):
    policy = RetryPolicy(first_pause=8, jitter=jitter)
    assert next(policy.pauses(lambda: 0.0)) == least
    assert next(policy.pauses(lambda: 1.0)) == most


def test_pause_after_very_many_failures_is_the_longest():
    assert RetryPolicy(max_pause=30, jitter=0).pause(10_000) == 30


# -- the state -----------------------------------------------------------------


def test_state_permits_no_attempt_later_than_the_total_after_the_first_failure():
    state = RetryState(RetryPolicy(attempts=None, first_pause=1, jitter=0, factor=1, total_seconds=60))
    assert state.next_pause(1000) == 1
    assert state.next_pause(1059) == 1
    assert state.next_pause(1059.5) is None


def test_state_waits_as_long_as_the_server_requests():
    assert RetryState(STEADY).next_pause(NOW, retry_after=2.5) == 2.5
    assert RetryState(STEADY).next_pause(NOW, retry_after=0.1) == 1


def test_state_ends_the_retries_when_the_server_requests_more_than_the_limit():
    assert RetryState(STEADY).next_pause(NOW, retry_after=3.5) is None
    assert RetryState(RetryPolicy(max_retry_after=math.inf)).next_pause(NOW, retry_after=3600) == 3600


def test_state_reset_begins_anew():
    state = RetryState(STEADY)
    assert [state.next_pause(NOW) for _ in range(4)] == [1, 2, 3, None]
    state.reset()
    assert state.next_pause(NOW) == 1


# -- calls ---------------------------------------------------------------------


def test_call_retries_transient_errors_and_returns_the_result():
    service, clock = Service(Away(), Away()), Clock()
    assert call(service, clock=clock) == "answer"
    assert clock.slept == [1, 2]


def test_call_raises_another_error_at_once():
    service, clock = Service(ValueError("no")), Clock()
    with pytest.raises(ValueError, match="no"):
        call(service, clock=clock)
    assert clock.slept == []


def test_call_raises_the_last_error_when_no_attempts_are_left(caplog):
    service = Service(*(Away(str(number)) for number in range(9)))
    with pytest.raises(Away, match="3"):
        call(service)
    assert service.calls == 4
    assert len(caplog.records) == 3


def test_call_with_no_retry_logs_nothing(caplog):
    with pytest.raises(Away):
        call(Service(Away()), NO_RETRY)
    assert caplog.records == []


def test_call_gives_up_when_the_server_requests_a_longer_pause_than_the_limit():
    service = Service(Away(retry_after=2), Away(retry_after=60))
    clock = Clock()
    with pytest.raises(Away):
        call(service, clock=clock)
    assert clock.slept == [2]


def test_call_logs_each_retry_as_a_warning_with_cause_pause_and_attempt(caplog):
    call(Service(Away("connection refused"), Away("")))
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "Submitting training 42 failed (connection refused); retrying in 1.0 s (attempt 2 of 4)"),
        ("WARNING", "Submitting training 42 failed (Away); retrying in 2.0 s (attempt 3 of 4)"),
    ]


def test_call_logs_later_retries_at_the_given_level(caplog):
    caplog.set_level(logging.DEBUG)
    call(Service(Away(), Away(), Away()), later_level=logging.DEBUG)
    assert [one.levelname for one in caplog.records] == ["WARNING", "DEBUG", "DEBUG"]


def test_call_without_a_limit_of_attempts_logs_no_limit(caplog):
    call(Service(Away()), RetryPolicy(attempts=None, jitter=0))
    assert caplog.messages == ["Submitting training 42 failed (away); retrying in 0.5 s (attempt 2)"]


def test_call_reports_each_retry_before_its_pause():
    clock, events = Clock(), []
    call(Service(Away()), clock=clock, logger=None, on_retry=lambda message: events.append((message, clock.now)))
    assert events == [("Submitting training 42 failed (away); retrying in 1.0 s (attempt 2 of 4)", 100)]


def test_call_begins_no_attempt_after_the_deadline():
    service, clock = Service(*[Away()] * 9), Clock()
    policy = RetryPolicy(attempts=None, first_pause=1, jitter=0)
    with pytest.raises(Away):
        call(service, policy, clock, deadline=lambda: 104)
    assert clock.now == 103


def test_call_ends_a_pause_when_the_deadline_moves_before_now():
    """A deadline that shrinks during a long pause is noticed within a second; one last attempt follows."""
    service, clock = Service(Away(), Away()), Clock()
    policy = RetryPolicy(attempts=None, first_pause=20, jitter=0)
    with pytest.raises(Away):
        call(service, policy, clock, deadline=lambda: 900 if clock.now < 105 else 60)
    assert (service.calls, clock.now) == (2, 105)


def test_call_async_retries_and_logs_alike(caplog):
    service, clock = Service(Away(), Away(retry_after=2.5)), Clock()
    found = asyncio.run(
        call_with_retry_async(
            service.ask,
            STEADY,
            what="Looking",
            is_transient=lambda _: True,
            logger=log,
            options=RetryOptions(retry_after=lambda error: error.retry_after),
            timer=Timer(clock, clock.asleep),
        )
    )
    assert found == "answer"
    assert clock.slept == [1, 2.5]
    assert caplog.messages == [
        "Looking failed (away); retrying in 1.0 s (attempt 2 of 4)",
        "Looking failed (away); retrying in 2.5 s (attempt 3 of 4)",
    ]


def test_call_async_pauses_with_asyncio_unless_another_sleep_is_given():
    policy = RetryPolicy(first_pause=0)
    found = call_with_retry_async(Service(Away()).ask, policy, what="Looking", is_transient=lambda _: True, logger=None)
    assert asyncio.run(found) == "answer"


def test_call_async_passes_a_cancellation_on():
    async def canceled():
        raise asyncio.CancelledError

    async def main():
        with pytest.raises(asyncio.CancelledError):
            await call_with_retry_async(canceled, STEADY, what="Looking", is_transient=lambda _: True, logger=None)

    asyncio.run(main())


# -- Retry-After ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["retry-after", "Retry-After"])
def test_retry_after_is_read_as_seconds_or_as_a_date(name):
    assert parse_retry_after({name: " 7 "}, NOW) == 7
    assert parse_retry_after({name: formatdate(NOW + 9, usegmt=True)}, NOW) == 9
    assert parse_retry_after({name: formatdate(NOW - 9, usegmt=True)}, NOW) == 0


def test_retry_after_as_a_date_is_measured_by_the_servers_clock():
    there = NOW + 5000
    headers = {"Retry-After": formatdate(there + 4, usegmt=True), "Date": formatdate(there, usegmt=True)}
    assert parse_retry_after(headers, NOW) == 4
    assert parse_retry_after({**headers, "Date": "today"}, NOW) == 5004


def test_retry_after_as_a_date_without_a_zone_is_utc():
    assert parse_retry_after({"Retry-After": formatdate(NOW + 9, usegmt=True).removesuffix(" GMT")}, NOW) == 9


@pytest.mark.parametrize("value", ["", "soon", "-3", "²", "1e3", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_retry_after_that_is_neither_counts_as_none(value):
    assert parse_retry_after({"Retry-After": value}, NOW) is None
    assert parse_retry_after({}, NOW) is None
