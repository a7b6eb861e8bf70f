"""Reading a peer, states, times, refusals and verdicts."""

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
)
from tests.builders import a_reply, a_training


def test_a_newer_peers_keys_are_ignored_at_any_depth_and_echoed_credentials_left_on_the_wire() -> None:
    training = a_training()
    assert training.id == "training-AbC_12-xY"
    assert "in-clear" not in repr(training) + training.model_dump_json()


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b"[]", b"\xff", a_reply("paused")])
def test_an_answer_of_another_kind_is_misunderstood_never_guessed(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_response(Training)(answer)


def test_times_are_spelled_in_utc_with_milliseconds() -> None:
    moment = datetime(2026, 11, 23, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(moment) == "2026-11-23T02:04:05.678Z"


def test_a_final_state_is_final_and_pending_may_end_at_once() -> None:
    final = {state for state in TrainingState if state.is_final}
    assert final == {TrainingState.COMPLETED, TrainingState.ERROR, TrainingState.CANCELED}
    assert TrainingState.PENDING.can_transition_to(TrainingState.CANCELED)
    assert not TrainingState.COMPLETED.can_transition_to(TrainingState.RUNNING)
    assert set(TRANSITIONS) == set(TrainingState)


def test_a_proxys_page_still_gives_the_class_of_its_status_and_is_not_repeated() -> None:
    error = parse_api_error(404, b"<html>secret path</html>")
    assert isinstance(error, NotFound)
    assert "secret" not in str(error)
    assert isinstance(parse_api_error(502, b""), Unavailable)
    assert isinstance(parse_api_error(418, b"{}"), InvalidRequest)


def test_a_completed_training_is_returned() -> None:
    training = a_training()
    assert raise_for_state(training) is training


def test_a_failed_one_raises_the_services_own_reasons() -> None:
    problem = {"trace": "0" * 32, "errors": [{"code": "C201", "message": "dl_job_failed: exited with 3"}]}
    with pytest.raises(TrainingFailed, match=r"exited with 3 \(C201\)"):
        raise_for_state(a_training("error", error=problem))


def test_a_canceled_one_and_an_unfinished_one_are_told_apart() -> None:
    with pytest.raises(TrainingCanceled):
        raise_for_state(a_training("canceled"))
    for state in ("pending", "running"):
        with pytest.raises(TrainingOverdue):
            raise_for_state(a_training(state))


def test_who_reads_of_a_bad_end_learns_where_the_log_lies() -> None:
    training = a_training("error")
    location = ResultsLocation(container="c", model_location=training.id)
    entity = training.entity.model_copy(update={"training_results": ResultsReport(location=location)})
    with pytest.raises(TrainingFailed, match=rf"; its log, .* lies in container c under {training.id}/$"):
        raise_for_state(training.model_copy(update={"entity": entity}))


def test_what_ended_a_wait_survives_pickling() -> None:
    """Airflow may carry an exception from one process to another."""
    import pickle

    error = pickle.loads(pickle.dumps(TrainingFailed(a_training("error"), "why")))  # noqa: S301
    assert (error.reason, error.training.id) == ("why", "training-AbC_12-xY")
