"""
What the final state of a training means for its waiter: a result or an exception.

Operators, sensors, resumed tasks and the console use the same function, so that they all decide alike.
"""

from __future__ import annotations

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import TrainingCanceled, TrainingFailed, TrainingOverdue


def raise_for_state(training: Training) -> Training:
    """
    Return *training* if it has completed; otherwise raise the exception for its state.

    The exception carries *training* as `.training`, and its message states where the log and the results are, if there
    are any.

    :raises TrainingFailed: the training ended in `error`; the message has the service's reasons.
    :raises TrainingCanceled: the training was canceled.
    :raises TrainingOverdue: the training has not ended, and the caller's timeout is over.
    """
    match training.state:
        case TrainingState.COMPLETED:
            return training
        case TrainingState.ERROR:
            reasons = _failure_reasons(training)
            failed = " ".join(one for one in ("failed", attempts_before_failure(training)) if one)
            raise TrainingFailed(training, f"Training {training.id} {failed}: {reasons}{_results_hint(training)}")
        case TrainingState.CANCELED:
            raise TrainingCanceled(training, f"Training {training.id} was canceled{_results_hint(training)}")
        case TrainingState.PENDING | TrainingState.RUNNING:
            raise TrainingOverdue(
                training, f"Training {training.id} is still {training.state}, and the timeout for it is over"
            )


def attempts_before_failure(training: Training) -> str:
    """Return ``after 3 attempts`` for a training that began more than once; else an empty text."""
    number = training.status.attempt or 1
    return f"after {number} attempts" if number > 1 else ""


def describe_results_location(training: Training) -> str | None:
    """Describe where the results of *training* are: "in container … under …/"; None if it has left none."""
    results = training.entity.training_results
    if results is None or results.location is None:
        return None
    location = f"in container {results.location.container} under {results.location.model_location}/"
    return escape_control_characters(location, single_line=True)


def _results_hint(training: Training) -> str:
    location = describe_results_location(training)
    return f"; its log and its other files are {location}" if location else ""


def _failure_reasons(training: Training) -> str:
    error = training.status.error
    if error is not None and error.errors:
        return "; ".join(f"{one.message} ({one.code})" for one in error.errors)
    return training.status.message or "the service gave no reason"
