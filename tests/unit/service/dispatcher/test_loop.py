"""How the dispatcher logs failures, and when it retries."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.dispatcher.job_directories import JobDirectories
from airflow_dlaas.service.dispatcher.loop import Dispatcher
from airflow_dlaas.service.runners.local import LocalRunner
from airflow_dlaas.service.store.maintenance import MaintenanceState
from airflow_dlaas.service.store.records import TrainingRecord
from tests.unit.service.dispatcher.test_decide import a_training


class FailingStore:
    """A store with one queued training, whose reservation fails while `failures` is above 0."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.maintenance = self

    def get(self) -> MaintenanceState:
        return MaintenanceState()

    def acquire_lease(self, *_: object) -> bool:
        return True

    def current_revision(self) -> int:
        return 1

    def list_unfinished(self) -> list[TrainingRecord]:
        return [a_training("training-a")]

    def reserve_gpus(self, *_: object, **__: object) -> bool:
        self.failures -= 1
        if self.failures >= 0:
            raise HostError("the disk is full")
        return False


def dispatcher(store: Any, tmp_path: Path) -> Dispatcher:
    jobs = JobDirectories(tmp_path, tmp_path, code_path=lambda _: tmp_path, runtime_spec=lambda key: pytest.fail(key))
    return Dispatcher(store, LocalRunner({}), jobs, slots=["virtual:0"], lease_holder="me")


def test_each_failure_of_an_action_is_logged_once_with_attempt_cause_and_pause(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    subject = dispatcher(FailingStore(2), tmp_path)
    for _ in range(3):
        assert subject.run_once()
    assert caplog.messages == [
        f"Training training-a: Start failed (the disk is full); retrying in 2 s (attempt {attempt})"
        for attempt in (2, 3)
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert [record.exc_info is not None for record in caplog.records] == [True, False]


def test_attempts_are_counted_from_the_last_success(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FailingStore(1)
    subject = dispatcher(store, tmp_path)
    subject.run_once()
    subject.run_once()
    store.failures = 1
    subject.run_once()
    assert [message[-11:] for message in caplog.messages] == ["(attempt 2)"] * 2
