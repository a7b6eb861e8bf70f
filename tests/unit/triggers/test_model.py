"""The retries of `TrainModelTrigger`: what is retried, and what is logged. No service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_dlaas.exceptions import InvalidRequest, NotConfigured, Unreachable
from airflow_dlaas.task_runs import cancel, submit, training_xcom
from airflow_dlaas.task_runs.run_key import RunKey
from airflow_dlaas.triggers import model
from airflow_dlaas.triggers.model import TrainModelTrigger
from tests.builders import a_training

KEY = RunKey("a" * 32, "b" * 12, airflow_digest="c" * 16).idempotency_key


@pytest.fixture
def trigger(monkeypatch: pytest.MonkeyPatch) -> TrainModelTrigger:
    swift = {"conn_type": "swift", "host": "http://swift/auth/v1.0", "login": "a:u", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(swift))
    dlaas = {"conn_type": "dlaas", "host": "http://dlaas", "login": "u", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_DLAAS_DEFAULT", json.dumps(dlaas))
    monkeypatch.setattr(model, "SUBMIT_RETRY_INTERVAL", 0.0)
    monkeypatch.setattr(model, "CANCEL_RETRY_INTERVAL", 0.0)
    definition = {
        "model_definition": {
            "name": "n",
            "framework": {"name": "tensorflow", "version": "test"},
            "execution": {"command": "true", "resourceType": "small"},
        },
        "training_data": [
            {"connection": "swift_default", "source": {"container": "c", "type": "softlayer_objectstore"}}
        ],
    }
    return TrainModelTrigger(
        definition=definition,
        definition_location="/v3/ml_assets/experiments/e/versions/v",
        key=KEY,
        since=None,
        timeout=None,
        dlaas_conn_id="dlaas_default",
    )


def sequence(*results: Any) -> Callable[..., Any]:
    """Return a function that returns these results one after the other, or raises them."""
    upcoming = list(results)

    def next_result(*_: Any, **__: Any) -> Any:
        result = upcoming.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return next_result


def retries(output: str) -> list[str]:
    return [line for line in output.splitlines() if "retrying in" in line]


def test_a_transient_error_of_the_submission_is_retried_and_logged_with_its_attempt(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    training = a_training("running")
    away = Unreachable("The service is away")
    monkeypatch.setattr(submit, "submit_training", sequence(away, away, training))
    client: Any = None
    assert asyncio.run(trigger._submit(client)) is training
    first, second = retries(capsys.readouterr().out)
    message = f"Submitting the training under key {KEY} failed (The service is away); retrying in 0.0 s"
    assert f"{message} (attempt 2)" in first
    assert f"{message} (attempt 3)" in second
    assert "warning" in first


def test_a_permanent_error_of_the_submission_is_not_retried(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(submit, "submit_training", sequence(InvalidRequest("wrong")))
    client: Any = None
    with pytest.raises(InvalidRequest):
        asyncio.run(trigger._submit(client))
    assert retries(capsys.readouterr().out) == []


def test_a_failed_cancel_is_retried_and_logged_with_its_attempt(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger._training_id = "training-1"
    monkeypatch.setattr(
        cancel, "cancel_training", sequence(Unreachable("The service is away"), OSError("broken"), None)
    )
    asyncio.run(trigger._cancel_training())
    first, second = retries(capsys.readouterr().out)
    assert f"Canceling the training under key {KEY} failed (The service is away)" in first
    assert "(attempt 2)" in first
    assert "failed (broken)" in second
    assert "(attempt 3)" in second


def test_a_cancel_that_a_retry_cannot_cure_is_logged_and_ends(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trigger._training_id = "training-1"
    monkeypatch.setattr(cancel, "cancel_training", sequence(NotConfigured("no certificate")))
    asyncio.run(trigger._cancel_training())
    output = capsys.readouterr().out
    assert "failed (no certificate); a retry cannot help" in output
    assert retries(output) == []


def test_no_training_is_canceled_while_its_task_still_waits_for_it(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def waits(*_: Any) -> bool:
        return True

    trigger._training_id = "training-1"
    monkeypatch.setattr(training_xcom, "is_waiting_for_training", waits)
    monkeypatch.setattr(cancel, "cancel_training", sequence(AssertionError("must not be called")))
    asyncio.run(trigger._cancel_training())
    assert "Another triggerer has taken over" in capsys.readouterr().out


def test_the_event_of_an_error_has_the_key_and_the_log_its_traceback(
    trigger: TrainModelTrigger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(submit, "submit_training", sequence(InvalidRequest("wrong")))

    async def first_event() -> Any:
        return (await anext(aiter(trigger.run()))).payload

    event = asyncio.run(first_event())
    assert event["key"] == KEY
    assert event["error"]["kind"] == "InvalidRequest"
    assert "Traceback" in capsys.readouterr().out
