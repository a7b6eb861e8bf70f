"""
What the end of a training means for whoever waited.

One function for operator, sensor, resumed trigger and console, so that no two of them judge differently.
"""

from __future__ import annotations

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import TrainingCanceled, TrainingFailed, TrainingOverdue


def raise_for_state(training: Training) -> Training:
    """
    Return *training* if it completed, and raise what went wrong otherwise.

    :raises TrainingFailed: with the service's own reasons.
    :raises TrainingCanceled: somebody stopped it.
    :raises TrainingOverdue: it has not ended, and whoever asks will wait no longer.
    """
    match training.state:
        case TrainingState.COMPLETED:
            return training
        case TrainingState.ERROR:
            raise TrainingFailed(
                training, f"Training {training.id} failed: {_failure_reasons(training)}{_results_hint(training)}"
            )
        case TrainingState.CANCELED:
            raise TrainingCanceled(training, f"Training {training.id} was canceled{_results_hint(training)}")
        case TrainingState.PENDING | TrainingState.RUNNING:
            raise TrainingOverdue(training, f"Training {training.id} is still {training.state}, and its time is up")


def describe_results_location(training: Training) -> str | None:
    """Say in words where results of *training* lie; None where it has left none."""
    results = training.entity.training_results
    if results is None or results.location is None:
        return None
    return f"in container {results.location.container} under {results.location.model_location}/"


def _results_hint(training: Training) -> str:
    place = describe_results_location(training)
    return f"; its log, and whatever else it left, lies {place}" if place else ""


def _failure_reasons(training: Training) -> str:
    error = training.status.error
    if error is not None and error.errors:
        return "; ".join(f"{one.message} ({one.code})" for one in error.errors)
    return training.status.message or "the service gave no reason"
