"""
Whether a further attempt of a training follows the one that has ended. No I/O; no other module decides it.

A further attempt follows only if the definition has `recovery`, attempts are left and no cancel was requested, and only
after three ends: the learner was lost; the command ended by itself with one of the exit codes; or the learner was
stopped although no cancel was requested, as in a shutdown of the machine. The time limit, the watchdog and an error of
any stage before or after the command end the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from airflow_dlaas.contract import recovery as contract
from airflow_dlaas.contract.attempts import AttemptReport, ResumedFrom
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.service.dispatcher.memory import Observation
from airflow_dlaas.service.dispatcher.outcomes import loss_reason
from airflow_dlaas.service.job_reports import ExitFile, ExitIfLostFile
from airflow_dlaas.service.store.records import TrainingRecord

LOST_CODE = "S100"

STOPPED_REASON = "The learner was stopped although no cancel was requested, as in a shutdown of the machine"


@dataclass(frozen=True, slots=True)
class Recovery:
    """The end of an attempt that a further one follows."""

    ended: AttemptReport
    ended_at: datetime
    cause: str
    """Why it ended, in a few words for the log."""
    attempts: int
    """All attempts that the training may have."""


def recovery_after_exit(
    training: TrainingRecord, exit_file: ExitFile, resumed_from: ResumedFrom | None
) -> Recovery | None:
    """Return how *training* recovers from the end that its learner recorded; None if it ends with it."""
    given = _usable_recovery(training)
    if given is None:
        return None
    if exit_file.state is TrainingState.CANCELED:
        code, reason, cause = LOST_CODE, STOPPED_REASON, "learner stopped without a cancel request"
    elif exit_file.state is TrainingState.ERROR and _ended_by_itself(exit_file, given.exit_codes):
        cause = f"exit code {exit_file.exit_code}"
        code, reason = exit_file.code or LOST_CODE, exit_file.reason or f"The command ended with {cause}"
    else:
        return None
    ended = AttemptReport(
        number=training.attempt,
        started_at=training.started_at,
        ended_at=exit_file.finished_at,
        code=code,
        reason=reason,
        exit_code=exit_file.exit_code,
        resumed_from=resumed_from,
    )
    return Recovery(ended, exit_file.finished_at, cause, given.attempts)


def recovery_after_loss(training: TrainingRecord, observation: Observation, now: datetime) -> Recovery | None:
    """
    Return how *training* recovers from the loss of its learner at *now*; None if it ends with it.

    A learner that is lost while it stores the results has left how the command ended. If that alone would have ended
    the training, it does.
    """
    given, left = _usable_recovery(training), observation.exit_if_lost
    if given is None or (left is not None and not _may_recover(left, given.exit_codes)):
        return None
    ended = AttemptReport(
        number=training.attempt,
        started_at=training.started_at,
        ended_at=now,
        code=LOST_CODE,
        reason=loss_reason(observation),
        exit_code=left.exit_code if left is not None else None,
        resumed_from=observation.resumed_from,
    )
    cause = "machine restarted" if observation.is_from_earlier_boot else "learner lost"
    return Recovery(ended, now, cause, given.attempts)


def _usable_recovery(training: TrainingRecord) -> contract.Recovery | None:
    """Return what the definition permits; None if nothing, or if no attempt is left or a cancel was requested."""
    given = _given_recovery(training.definition)
    if given is None or training.attempt >= given.attempts or training.cancel_requested:
        return None
    return given


def _given_recovery(definition: Mapping[str, Any]) -> contract.Recovery | None:
    try:
        given = definition.get("recovery")
        return None if given is None else contract.Recovery.model_validate(given)
    except ValidationError:  # a damaged definition recovers from nothing
        return None


def _ended_by_itself(exit_file: ExitFile, exit_codes: tuple[int, ...]) -> bool:
    return not exit_file.was_stopped and exit_file.exit_code in exit_codes


def _may_recover(left: ExitIfLostFile, exit_codes: tuple[int, ...]) -> bool:
    # The command had succeeded, or the learner was being stopped without a cancel request, or it is in the codes.
    return (
        left.state is TrainingState.CANCELED
        or (left.exit_code == 0 and not left.was_stopped)
        or _ended_by_itself(left, exit_codes)
    )
