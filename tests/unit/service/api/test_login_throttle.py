"""Counting wrong passwords."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_dlaas.service.api.login_throttle import ATTEMPTS, FORGIVEN_EVERY, PENALTY, REMEMBERED, SPRAYED, Failures

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
NONE = timedelta()


def failed(login: str, address: str, times: int) -> Failures:
    failures = Failures()
    for _ in range(times):
        failures.note(login, address, NOW)
    return failures


def test_a_few_failures_cost_nothing():
    assert failed("ada", "10.0.0.1", ATTEMPTS - 1).wait("ada", "10.0.0.1", NOW) == NONE


def test_many_failures_cost_this_login_at_this_address_a_pause():
    failures = failed("ada", "10.0.0.1", ATTEMPTS)
    assert failures.wait("ada", "10.0.0.1", NOW) == PENALTY
    assert failures.wait("bob", "10.0.0.1", NOW) == NONE
    assert failures.wait("ada", "10.0.0.2", NOW) == NONE


def test_after_the_pause_there_is_one_try_and_not_ten():
    failures = failed("ada", "10.0.0.1", ATTEMPTS)
    later = NOW + PENALTY + timedelta(seconds=1)
    assert failures.wait("ada", "10.0.0.1", later) <= NONE
    failures.note("ada", "10.0.0.1", later)
    assert failures.wait("ada", "10.0.0.1", later) == PENALTY


def test_a_right_password_forgives_its_login_but_not_its_address():
    failures = Failures()
    for number in range(SPRAYED):
        failures.note(f"user{number % 20}", "10.0.0.1", NOW)
        failures.forgive(f"user{number % 20}", "10.0.0.1")
    assert failures.wait("mallory", "10.0.0.1", NOW) > NONE
    assert failures.wait("mallory", "10.0.0.2", NOW) == NONE


def test_a_task_with_an_old_password_never_locks_out_its_machine():
    failures, now = Failures(), NOW
    for _ in range(3600):  # an hour of a try a second
        if failures.wait("old", "10.0.0.1", now) <= NONE:
            failures.note("old", "10.0.0.1", now)
        assert failures.wait("ada", "10.0.0.1", now) <= NONE
        now += timedelta(seconds=1)


def test_an_address_that_sprays_gets_one_try_for_each_that_is_forgiven():
    failures, now, tries = Failures(), NOW, 0
    for number in range(1000):
        if failures.wait(f"user{number}", "10.0.0.1", now) <= NONE:
            failures.note(f"user{number}", "10.0.0.1", now)
            tries += 1
        now += timedelta(seconds=1)
    assert tries <= SPRAYED + 1000 / FORGIVEN_EVERY.total_seconds() + 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("2001:db8::1", "2001:db8::ffff:2"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::2%eth1")],
)
def test_addresses_that_one_machine_has_count_as_one(one, other):
    assert failed("ada", one, ATTEMPTS).wait("ada", other, NOW) == PENALTY


def test_no_more_is_remembered_than_there_is_room_for():
    failures = Failures()
    for number in range(REMEMBERED + 500):
        failures.note("x" * 5000 + str(number), f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
    assert len(failures._pairs) == len(failures._addresses) == REMEMBERED
    assert {len(key) for key in failures._pairs} == {16}
