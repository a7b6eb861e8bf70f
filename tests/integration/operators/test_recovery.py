"""A task waits for its training over all its attempts, and logs them: against the real service."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import TrainingOverdue
from airflow_dlaas.operators.training import SubmitTrainingOperator
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.task_runs import wait_for_training
from tests.conftest import ServiceProcess
from tests.integration.operators.conftest import FakeTaskInstance, deferral, fire, recreate_trigger
from tests.waiting import until

RECOVERY = {"attempts": 3, "exit_codes": [75]}

SAVES = "echo 1 > $CHECKPOINT_DIR/step"

INTERRUPTED = f"[ $ATTEMPT = 2 ] || {{ {SAVES}; exit 75; }}; "
"""A command whose first attempt saves its state and ends with the exit code of an interruption."""


@pytest.fixture(autouse=True)
def _short_drain_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy forwards no WebSocket, so there is no log to wait for."""
    monkeypatch.setattr(wait_for_training, "LOG_DRAIN_TIMEOUT", 0.1)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_task_waits_over_all_attempts_and_logs_each(
    task: Any, client: Client, task_instance: FakeTaskInstance, capsys: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    operator = task(INTERRUPTED + "cat $CHECKPOINT_DIR/step", recovery=RECOVERY, grace=5, deferrable=deferrable)
    if deferrable:
        deferred = deferral(operator, task_instance.context())
        event = fire(recreate_trigger(deferred))
        training_id = operator.execute_complete(task_instance.context(), event, **deferred.kwargs)
    else:
        training_id = operator.execute(task_instance.context())
    status = client.send(calls.get_training(training_id)).status
    assert (status.state, status.attempt) == (TrainingState.COMPLETED, 2)
    assert status.resumed_from is not None
    output = capsys.readouterr().out
    assert f"Training {training_id}: attempt 1 ended: " in output
    assert "; attempt 2 of 3 follows" in output
    assert f"attempt 2 begins with checkpoint {status.resumed_from.number} of attempt 1" in output
    first, second = task_instance.xcoms["dlaas_summary"]["training"]["entity"]["status"]["attempts"]
    assert (first["number"], first["exit_code"], second["number"]) == (1, 75, 2)


def test_the_timeout_includes_all_attempts(task: Any, client: Client, task_instance: FakeTaskInstance) -> None:
    operator = task(INTERRUPTED + "sleep 600", recovery=RECOVERY, timeout=timedelta(seconds=20))
    with pytest.raises(TrainingOverdue):
        operator.execute(task_instance.context())
    ended = until(lambda: client.send(calls.get_training(task_instance.training_id)), lambda now: now.state.is_final)
    assert (ended.state, ended.status.attempt) == (TrainingState.CANCELED, 2)


def test_the_next_try_resumes_the_checkpoint_of_the_failed_training(
    task: Any, client: Client, task_instance: FakeTaskInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command is killed; what it has saved long before is stored."""
    saved = f"[ -e $CHECKPOINT_DIR/step ] || {{ {SAVES}; sleep 5; kill -9 $$; }}; cat $CHECKPOINT_DIR/step"
    with pytest.raises(Exception, match="C201"):
        task(saved, resume=True).execute(task_instance.context())
    first = client.send(calls.get_training(task_instance.training_id))
    assert first.status.checkpoint is not None
    second = task(saved, resume=True).execute(task_instance.context(try_number=2))
    resumed = client.send(calls.get_training(second)).status.resumed_from
    assert resumed is not None
    assert (resumed.training_id, resumed.number) == (first.id, first.status.checkpoint.number)
    output = capsys.readouterr().out
    assert f"The training resumes from training {first.id} (attempt 1, checkpoint {resumed.number})" in output
    assert f"attempt 1 begins with checkpoint {resumed.number} of attempt 1 of {first.id}" in output


def test_after_a_clear_the_new_training_begins_with_what_the_canceled_one_saved_in_its_grace(
    task: Any, client: Client, service: ServiceProcess, task_instance: FakeTaskInstance
) -> None:
    """The new one is submitted while the earlier one still runs, and begins when it has ended."""
    command = (
        "[ ! -e $CHECKPOINT_DIR/step ] || exec cat $CHECKPOINT_DIR/step; "
        f"trap 'sleep 2; {SAVES}; exit 1' TERM; echo ready; while :; do sleep 0.1; done"
    )
    first = task(command, resume="always", kind=SubmitTrainingOperator).execute(task_instance.context())
    log = JobDirectory(service.home / "jobs" / first).log
    until(lambda: log.exists() and "ready" in log.read_text())
    cleared = task_instance.context(try_number=2, max_tries=1, clears=1)
    second = task(command, resume="always").execute(cleared)
    resumed = client.send(calls.get_training(second)).status.resumed_from
    assert resumed is not None
    assert resumed.training_id == first
    assert client.send(calls.get_training(first)).state is TrainingState.CANCELED
