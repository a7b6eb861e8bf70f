"""Which Airflow this is, and what two tasks do that ask for the first time together."""

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


def test_the_configured_identity_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__DLAAS__AIRFLOW_ID", " production-eu ")
    assert airflow_id() == "production-eu"


def test_an_identity_that_is_there_is_read_and_not_written() -> None:
    there = Variable("known")
    assert get_or_create_id(there.read, there.write, sleep=no_pause) == "known"
    assert there.written == []


def test_the_first_task_creates_the_identity_and_the_next_one_reads_it() -> None:
    there = Variable()
    first = get_or_create_id(there.read, there.write, sleep=no_pause)
    assert first == get_or_create_id(there.read, there.write, sleep=no_pause) == there.value
    assert there.written == [first]


def test_two_tasks_that_create_the_identity_together_use_the_same() -> None:
    there, results = Variable(), list[str | None]()

    def another_writes_meanwhile() -> Callable[[float], None]:
        return lambda _: there.write("the other one's")

    results.append(get_or_create_id(there.read, there.write, sleep=another_writes_meanwhile()))
    results.append(get_or_create_id(there.read, there.write, sleep=no_pause))
    assert results == ["the other one's"] * 2


def test_an_identity_that_can_not_be_read_back_is_unknown() -> None:
    assert get_or_create_id(lambda: None, lambda _: None, sleep=no_pause) is None
