"""Responses, states, times, API errors, outcomes of trainings and the exceptions that carry them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from airflow_dlaas.contract.base import format_time, parse_response
from airflow_dlaas.contract.error import parse_api_error
from airflow_dlaas.contract.outcome import raise_for_state
from airflow_dlaas.contract.state import TRANSITIONS, TrainingState
from airflow_dlaas.contract.training import ResultsLocation, ResultsReport, Training
from airflow_dlaas.exceptions import (
    InvalidRequest,
    NotFound,
    ProtocolError,
    TrainingCanceled,
    TrainingFailed,
    TrainingOverdue,
    Unavailable,
    is_transient,
)
from tests.builders import a_reply, a_training


def test_response_ignores_unknown_keys_at_any_depth_and_the_echoed_credentials() -> None:
    training = a_training()
    assert training.id == "training-AbC_12-xY"
    assert "in-clear" not in repr(training) + training.model_dump_json()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b"[]", b"\xff", a_reply("paused")])
def test_response_of_another_type_is_a_protocol_error(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_response(Training)(answer)


def test_format_time_is_utc_with_milliseconds() -> None:
    moment = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-23T02:04:05.678Z"


def test_state_transitions() -> None:
    final = {state for state in TrainingState if state.is_final}
    assert final == {TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED}
    assert TrainingState.PENDING.can_transition_to(TrainingState.CANCELED)
    assert not TrainingState.COMPLETED.can_transition_to(TrainingState.RUNNING)
    assert set(TRANSITIONS) == set(TrainingState)


def test_error_without_envelope_has_the_class_of_its_status_and_hides_the_content() -> None:
    error = parse_api_error(404, b"<html>secret path</html>")
    assert isinstance(error, NotFound)
    assert "secret" not in str(error)
    assert isinstance(parse_api_error(502, b""), Unavailable)
    assert isinstance(parse_api_error(418, b"{}"), InvalidRequest)


def test_raise_for_state_returns_a_completed_training() -> None:
    training = a_training()
    assert raise_for_state(training) is training


def test_raise_for_state_gives_the_reasons_of_the_service() -> None:
    problem = {"trace": "0" * 32, "errors": [{"code": "C201", "message": "dl_job_failed: exited with 3"}]}
    with pytest.raises(TrainingFailed, match=r"exited with 3 \(C201\)"):
        raise_for_state(a_training("error", error=problem))


def test_raise_for_state_has_one_exception_per_state() -> None:
    with pytest.raises(TrainingCanceled):
        raise_for_state(a_training("canceled"))
    for state in ("pending", "running"):
        with pytest.raises(TrainingOverdue):
            raise_for_state(a_training(state))


def test_raise_for_state_names_the_location_of_the_log() -> None:
    training = a_training("error")
    location = ResultsLocation(container="c", model_location=training.id)
    entity = training.entity.model_copy(update={"training_results": ResultsReport(location=location)})
    with pytest.raises(TrainingFailed, match=rf"; its log .* are in container c under {training.id}/$"):
        raise_for_state(training.model_copy(update={"entity": entity}))


def test_training_ended_can_be_pickled() -> None:
    """Airflow may pass an exception to another process."""
    import pickle

    error = pickle.loads(pickle.dumps(TrainingFailed(a_training("error"), "why")))  # noqa: S301
    assert (error.reason, error.training.id) == ("why", "training-AbC_12-xY")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(Unavailable("no"), True), (NotFound("no"), False), (ConnectionError("reset"), False), (ValueError(), False)],
    ids=repr,
)
def test_is_transient(error: Exception, expected: bool) -> None:
    assert is_transient(error) is expected
