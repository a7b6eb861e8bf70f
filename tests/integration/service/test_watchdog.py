"""A real service with commands that do no work, and the report of the GPU-hours."""

from __future__ import annotations

import json
import logging
from typing import Any

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.usage_report import UsageGrouping
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.task_runs.wait_for_training import wait_for_training_sync
from tests.conftest import ServiceProcess
from tests.integration.service.conftest import GATE, Customer

DEAF = "echo begun; trap 'echo saving; touch $RESULT_DIR/saved; exit 3' TERM; while :; do sleep 0.1; done"
"""A silent command that stores a file when it gets SIGTERM."""


class Recorder(logging.Logger):
    """Records warnings; no configuration of Airflow changes it."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self.messages: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.messages.append(record.getMessage())


def submit(customer: Customer, command: str, description: str = "", **watchdog: Any) -> str:
    document = {**customer.definition(command), "watchdog": watchdog}
    document["model_definition"]["description"] = description
    return customer.client.send(calls.create_training(TrainingDefinition.parse(document))).id


def test_silent_command_is_reported_while_it_runs_and_after_its_end(
    service: ServiceProcess, customer: Customer
) -> None:
    training_id = submit(customer, f"{GATE}; echo done", silent_for=0.2)
    cursor = customer.client.send(calls.list_changes("0", 0)).cursor
    warned: list[str] = []
    while not warned:  # each response comes with a change: the warning is one
        changes = customer.client.send(calls.list_changes(cursor, 30))
        cursor = changes.cursor
        for training in changes.resources:
            if training.id == training_id:
                assert not training.state.is_final, training.status
                warned.extend(training.status.warnings or ())
    assert "it has written nothing to its log for 0.2 seconds, the limit silent_for" in warned[0]
    running = customer.training(training_id)
    assert running.status.stalled_seconds is not None
    customer.open_gate(running)
    recorder = Recorder()
    known = service.connections()["dlaas_default"]
    connection = ServiceConnection(known["host"], known["login"], known["password"])
    ended = wait_for_training_sync(connection, training_id, deadline=None, logger=recorder)
    assert ended.state is TrainingState.COMPLETED
    assert [*(ended.status.warnings or ())][:1] == warned
    assert recorder.messages[0] == f"Training {training_id}: {warned[0]}"
    assert len(recorder.messages) == len(set(recorder.messages))
    assert customer.result(training_id, "learner-1/training-log.txt").decode().count("no work since") >= 1


def test_silent_command_is_stopped_and_its_hours_are_wasted(service: ServiceProcess, customer: Customer) -> None:
    training_id = submit(
        customer, DEAF, f"words [airflow dag=dag-of-{customer.data} task=train]", silent_for=1, action="cancel"
    )
    ended = customer.end(training_id)
    assert (ended.state, ended.status.message) == (TrainingState.ERROR, f"{training_id}: 3")
    (problem,) = ended.status.error.errors  # type: ignore[union-attr]
    assert problem.code == "C203"
    assert "the watchdog stopped the command: it has written nothing to its log for 1 seconds" in problem.message
    assert customer.command_output(training_id).splitlines()[-1] == "saving"
    assert any(name.endswith("saved") for name in customer.stored(training_id))
    customer.client.send(calls.delete_training(training_id))
    report = customer.client.send(calls.get_usage_report(by=UsageGrouping.DAG))
    (row,) = [one for one in report.rows if one.name == f"dag-of-{customer.data}"]
    assert (row.trainings, row.wasted.stalled) == (1, row.gpu_hours)
    assert row.gpu_hours > 0
    shown = service.console("usage", "--by", "dag").stdout
    assert f"dag-of-{customer.data}" in shown
    assert "100 %" in shown
    printed = json.loads(service.console("usage", "--by", "dag", "--json").stdout)
    assert printed["total"]["gpu_hours"] >= row.gpu_hours
    for arguments, text in (
        (("--by", "task"), "--by must be one of user, dag, state"),
        (("--from", "yesterday"), "from: must be a date or a time such as 2026-03-01"),
    ):
        refused = service.console("usage", *arguments)
        assert (refused.returncode, text in refused.stderr) == (1, True), refused.stderr
