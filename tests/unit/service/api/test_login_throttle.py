"""The throttle of logins."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_dlaas.service.api.login_throttle import (
    FAILURE_DECAY_INTERVAL,
    LOCKOUT_TIME,
    MAX_ADDRESS_FAILURES,
    MAX_ENTRIES,
    MAX_LOGIN_FAILURES,
    LoginThrottle,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
NONE = timedelta()


def failed(login: str, address: str, times: int) -> LoginThrottle:
    failures = LoginThrottle()
    for _ in range(times):
        failures.record_failure(login, address, NOW)
    return failures


def test_few_failures_cause_no_lockout():
    assert failed("ada", "10.0.0.1", MAX_LOGIN_FAILURES - 1).remaining_lockout("ada", "10.0.0.1", NOW) == NONE


def test_many_failures_lock_the_login_at_the_address():
    failures = failed("ada", "10.0.0.1", MAX_LOGIN_FAILURES)
    assert failures.remaining_lockout("ada", "10.0.0.1", NOW) == LOCKOUT_TIME
    assert failures.remaining_lockout("bob", "10.0.0.1", NOW) == NONE
    assert failures.remaining_lockout("ada", "10.0.0.2", NOW) == NONE


def test_one_failure_after_a_lockout_locks_again():
    failures = failed("ada", "10.0.0.1", MAX_LOGIN_FAILURES)
    later = NOW + LOCKOUT_TIME + timedelta(seconds=1)
    assert failures.remaining_lockout("ada", "10.0.0.1", later) <= NONE
    failures.record_failure("ada", "10.0.0.1", later)
    assert failures.remaining_lockout("ada", "10.0.0.1", later) == LOCKOUT_TIME


def test_reset_clears_the_login_but_not_the_address():
    failures = LoginThrottle()
    for number in range(MAX_ADDRESS_FAILURES):
        failures.record_failure(f"user{number % 20}", "10.0.0.1", NOW)
        failures.reset(f"user{number % 20}", "10.0.0.1")
    assert failures.remaining_lockout("mallory", "10.0.0.1", NOW) > NONE
    assert failures.remaining_lockout("mallory", "10.0.0.2", NOW) == NONE


def test_one_login_with_an_old_password_does_not_lock_its_address():
    failures, now = LoginThrottle(), NOW
    for _ in range(3600):  # one login per second for an hour
        if failures.remaining_lockout("old", "10.0.0.1", now) <= NONE:
            failures.record_failure("old", "10.0.0.1", now)
        assert failures.remaining_lockout("ada", "10.0.0.1", now) <= NONE
        now += timedelta(seconds=1)


def test_address_with_many_logins_is_limited_to_the_decay_rate():
    failures, now, tries = LoginThrottle(), NOW, 0
    for number in range(1000):
        if failures.remaining_lockout(f"user{number}", "10.0.0.1", now) <= NONE:
            failures.record_failure(f"user{number}", "10.0.0.1", now)
            tries += 1
        now += timedelta(seconds=1)
    assert tries <= MAX_ADDRESS_FAILURES + 1000 / FAILURE_DECAY_INTERVAL.total_seconds() + 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:2"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::2%eth1")],
)
def test_addresses_of_one_network_count_as_one(one, other):
    assert failed("ada", one, MAX_LOGIN_FAILURES).remaining_lockout("ada", other, NOW) == LOCKOUT_TIME


def test_entries_are_limited_in_number_and_size():
    failures = LoginThrottle()
    for number in range(MAX_ENTRIES + 500):
        failures.record_failure("x" * 5000 + str(number), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
    assert len(failures._by_login) == len(failures._by_address) == MAX_ENTRIES
    assert {len(key) for key in failures._by_login} == {16}
