"""A real service with real learners: the attempts of a training."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.store.records import TrainingRecord
from airflow_dlaas.service.store.sql import SqlStore
from airflow_dlaas.service.store.usage_record import UsageRecord
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

FIRST = "[ ! -e $LOG_DIR/attempt-1 ]"
"""Whether the command runs for the first time, by the logs of the attempt before it."""


def submit(customer: Customer, command: str, attempts: int = 3, size: str = "small", **more: Any) -> str:
    document = {**customer.definition(command, size), "recovery": {"attempts": attempts, **more}}
    return customer.client.send(calls.create_training(TrainingDefinition.parse(document))).id


def record(customer: Customer, training_id: str) -> TrainingRecord:
    with closing(SqlStore(f"sqlite:///{customer.service.home}/database.sqlite")) as store:
        return store.get_training("dlaas", training_id)


def usage(customer: Customer) -> Sequence[UsageRecord]:
    with closing(SqlStore(f"sqlite:///{customer.service.home}/database.sqlite")) as store:
        return store.list_usage(
            None, datetime.min.replace(tzinfo=timezone.utc), datetime.max.replace(tzinfo=timezone.utc)
        )


def kill_learner(customer: Customer, training_id: str, signum: signal.Signals = signal.SIGKILL) -> None:
    run = customer.service.home / "jobs" / training_id / "run.json"
    os.kill(json.loads(run.read_text())["pid"], signum)


def test_next_attempt_completes_after_the_learner_was_killed(customer: Customer) -> None:
    training_id = submit(customer, f"echo begun; {FIRST} && sleep 600; echo done")
    customer.running(training_id)
    kill_learner(customer, training_id)
    ended = customer.end(training_id)
    assert ended.state is TrainingState.COMPLETED, ended.status
    found = record(customer, training_id)
    assert (found.attempt, [one.code for one in found.ended_attempts]) == (2, ["S100"])
    log = customer.service.log.read_text()
    assert f"Training {training_id}: attempt 1 ended (learner lost); attempt 2 of 3 waits for GPUs" in log


def test_next_attempt_follows_an_exit_code_of_recovery(customer: Customer) -> None:
    training_id = submit(customer, f"{FIRST} && exit 75; exit 3", exit_codes=[75])
    ended = customer.end(training_id)
    assert (ended.state, ended.status.message) == (TrainingState.ERROR, f"{training_id}: 3")
    found = record(customer, training_id)
    assert [(one.number, one.code, one.exit_code) for one in found.ended_attempts] == [(1, "C201", 75)]
    assert found.attempt == 2


def test_next_attempt_follows_a_learner_that_is_stopped_without_a_cancel_request(customer: Customer) -> None:
    training_id = submit(customer, f"{FIRST} && exec sleep 600; true")
    customer.running(training_id)
    kill_learner(customer, training_id, signal.SIGTERM)
    assert customer.end(training_id).state is TrainingState.COMPLETED
    (first,) = record(customer, training_id).ended_attempts
    assert "stopped although no cancel was requested" in (first.reason or "")


def test_cancel_between_two_attempts_ends_the_training_at_once(own_customer: Customer) -> None:
    customer = own_customer
    training_id = submit(customer, f"{GATE}; exit 75", exit_codes=[75])
    running = customer.running(training_id)
    assert customer.service.console("drain", "on").returncode == 0
    customer.open_gate(running)
    waiting = customer.wait(training_id, lambda _: record(customer, training_id).attempt == 2)
    assert waiting.state is TrainingState.RUNNING
    customer.client.send(calls.cancel_training(training_id))
    assert customer.training(training_id).state is TrainingState.CANCELED
    assert customer.service.console("drain", "off").returncode == 0
    later = customer.submit("true")
    assert customer.end(later).state is TrainingState.COMPLETED
    assert record(customer, training_id).started_at is None


def test_recovering_training_comes_before_later_ones(tmp_path: Path) -> None:
    with closing(ServiceProcess(tmp_path / "home", DLAAS_GPUS="virtual:1")) as service:
        service.start()
        with service.client() as client:
            customer = Customer(service, client)
            first = submit(customer, f"{FIRST} && sleep 600; true")
            customer.running(first)
            later = customer.submit("true")
            kill_learner(customer, first)
            assert customer.end(first).state is TrainingState.COMPLETED
            assert customer.end(later).state is TrainingState.COMPLETED
            assert [(one.training_id, one.attempt) for one in usage(customer)] == [(first, 1), (first, 2), (later, 1)]
