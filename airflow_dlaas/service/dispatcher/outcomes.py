"""The outcome of a training: from exit.json, or, if its learner was lost, from what it left for that case. No I/O."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from airflow_dlaas.contract.error import TRAINING_ERROR_CODES, ErrorItem
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.dispatcher.memory import Observation
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile
from airflow_dlaas.service.store.records import TrainingOutcome, TrainingRecord

LOST_MESSAGE = (
    "The learner was lost: its process ended without writing exit.json, as after a kill or when the memory runs out"
)
REBOOTED_MESSAGE = "The machine was restarted while the training ran"


def outcome_from_exit(exit_file: ExitFile) -> TrainingOutcome:
    """Return the outcome that the learner recorded."""
    error = None
    if exit_file.state is TrainingState.ERROR:
        code = exit_file.code or "S100"
        error = ErrorItem(code=code, message=exit_file.reason or TRAINING_ERROR_CODES.get(code, "the training failed"))
    return TrainingOutcome(
        state=exit_file.state,
        finished_at=exit_file.finished_at,
        exit_code=exit_file.exit_code,
        error=error,
        stored=exit_file.stored,
        isolation=exit_file.isolation,
    )


def lost_outcome(training: TrainingRecord, observation: Observation, now: datetime) -> TrainingOutcome:
    """
    Return the outcome of a training whose learner is gone without a readable exit.json.

    If the command had ended, its exit code is kept, and exit-if-lost.json decides state and code.
    """
    exit_if_lost = observation.exit_if_lost
    if training.cancel_requested:
        outcome = canceled_outcome(now)
    elif observation.exit_read_error is not None:
        outcome = error_outcome("S100", loss_reason(observation), now)
    else:
        reason = loss_reason(observation)
        if observation.is_from_earlier_boot:
            reason += "; submit it again"
        outcome = (
            error_outcome("S100", reason, now) if exit_if_lost is None else _outcome_if_lost(exit_if_lost, reason, now)
        )
    if exit_if_lost is not None:
        outcome = replace(outcome, exit_code=exit_if_lost.exit_code, isolation=exit_if_lost.isolation)
    return outcome


def loss_reason(observation: Observation) -> str:
    """Return why the learner of *observation* counts as lost."""
    if observation.exit_read_error is not None:
        return f"The learner has ended, and its exit.json cannot be read: {observation.exit_read_error}"
    return REBOOTED_MESSAGE if observation.is_from_earlier_boot else LOST_MESSAGE


def canceled_outcome(now: datetime) -> TrainingOutcome:
    """Return the outcome of a training that was canceled at *now*."""
    return TrainingOutcome(state=TrainingState.CANCELED, finished_at=now)


def error_outcome(code: str, reason: str, now: datetime) -> TrainingOutcome:
    """Return the outcome of a training that failed at *now* with *code*, one of `TRAINING_ERROR_CODES`."""
    return TrainingOutcome(state=TrainingState.ERROR, finished_at=now, error=ErrorItem(code=code, message=reason))


def _outcome_if_lost(exit_if_lost: ExitIfLostFile, reason: str, now: datetime) -> TrainingOutcome:
    outcome = outcome_from_exit(exit_if_lost)
    error = outcome.error
    if error is not None:
        error = error.model_copy(update={"message": f"{error.message}. {reason}"})
    return replace(outcome, finished_at=now, error=error)
