"""The identity of this Airflow, and two tasks that create it at the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_dlaas.task_runs.airflow_identity import airflow_id, get_or_create_id


class Variable:
    """A value that several tasks read and write."""

    def __init__(self, value: str | None = None) -> None:
        self.value = value
        self.written: list[str] = []

    def read(self) -> str | None:
        return self.value

    def write(self, value: str) -> None:
        self.value = value
        self.written.append(value)


def no_pause(_: float) -> None: ...


def test_the_configured_identity_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DLAAS__AIRFLOW_ID", " production-eu ")
    assert airflow_id() == "production-eu"


def test_an_existing_identity_is_read_and_not_written() -> None:
    there = Variable("known")
    assert get_or_create_id(there.read, there.write, sleep=no_pause) == "known"
    assert there.written == []


def test_the_first_task_creates_the_identity_and_the_second_reads_it() -> None:
    there = Variable()
    first = get_or_create_id(there.read, there.write, sleep=no_pause)
    assert first == get_or_create_id(there.read, there.write, sleep=no_pause) == there.value
    assert there.written == [first]


def test_two_tasks_that_create_the_identity_at_the_same_time_use_the_same() -> None:
    there, results = Variable(), list[str | None]()

    def another_writes_meanwhile() -> Callable[[float], None]:
        return lambda _: there.write("the other one's")

    results.append(get_or_create_id(there.read, there.write, sleep=another_writes_meanwhile()))
    results.append(get_or_create_id(there.read, there.write, sleep=no_pause))
    assert results == ["the other one's"] * 2


def test_an_identity_that_cannot_be_read_after_its_creation_is_unknown() -> None:
    assert get_or_create_id(lambda: None, lambda _: None, sleep=no_pause) is None
