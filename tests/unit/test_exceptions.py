"""The messages of errors."""

from __future__ import annotations

import logging
import pickle

import pytest

from airflow_dlaas import exceptions
from airflow_dlaas.contract.outcome import describe_results_location, raise_for_state
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, InvalidDefinition, InvalidRequest, TrainingFailed
from airflow_dlaas.task_runs.submit import log_training
from airflow_dlaas.task_runs.trigger_events import error_event, parse_training_event
from tests.builders import a_training

HOSTILE = "a\x1b]0;title\x07\rb\u202ec\nd"
ESCAPED = "a\\x1b]0;title\\x07\\rb\\u202ec\nd"

ERRORS = [
    InvalidRequest(HOSTILE),
    InvalidDefinition([HOSTILE]),
    TrainingFailed(a_training("error"), HOSTILE),
    *(
        kind(HOSTILE)
        for kind in vars(exceptions).values()
        if isinstance(kind, type)
        and issubclass(kind, DlaasError)
        and not issubclass(kind, (InvalidDefinition, exceptions.TrainingEnded))
    ),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_message_shows_control_characters_as_escapes(error: DlaasError) -> None:
    assert ESCAPED in str(error)
    assert "\x1b" not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own


def test_error_of_a_trigger_is_shown_with_escapes_on_the_worker() -> None:
    with pytest.raises(InvalidRequest) as raised:
        parse_training_event(error_event(InvalidRequest(HOSTILE)))
    assert ESCAPED in str(raised.value)


def test_failure_after_several_attempts_states_their_number() -> None:
    document = a_training("error").model_dump(mode="json")
    document["entity"]["status"] |= {"message": "exit 75", "attempt": 3}
    with pytest.raises(TrainingFailed, match=r"Training \S+ failed after 3 attempts: exit 75"):
        raise_for_state(Training.model_validate(document, extra="ignore"))
    document["entity"]["status"]["attempt"] = 1
    with pytest.raises(TrainingFailed, match=r"Training \S+ failed: exit 75"):
        raise_for_state(Training.model_validate(document, extra="ignore"))


def test_reasons_and_places_of_a_training_are_shown_with_escapes(caplog: pytest.LogCaptureFixture) -> None:
    document = a_training("error").model_dump(mode="json")
    document["entity"]["status"] |= {
        "message": HOSTILE,
        "runtime": HOSTILE,
        "error": {"trace": "0", "errors": [{"code": "C201", "message": HOSTILE}]},
    }
    training = Training.model_validate(document, extra="ignore")
    with pytest.raises(TrainingFailed) as raised:
        raise_for_state(training)
    assert ESCAPED in str(raised.value)
    with caplog.at_level(logging.INFO):
        log_training(training, logging.getLogger(__name__))
    assert ESCAPED.replace("\n", "\\n") in caplog.text
    assert "\x1b" not in caplog.text
    assert "\x1b" not in (describe_results_location(training) or "")
