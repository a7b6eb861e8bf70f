"""How the console and the log of a task describe the attempts of a training. Pure functions."""

from __future__ import annotations

from airflow_dlaas.contract.attempts import AttemptReport, ResumedFrom
from airflow_dlaas.contract.training import Training


def describe_source(source: ResumedFrom, training_id: str) -> str:
    """Return the checkpoint that an attempt of *training_id* began with: ``checkpoint 7 of attempt 1``."""
    owner = "" if source.training_id == training_id else f" of {source.training_id}"
    return f"checkpoint {source.number} of attempt {source.attempt}{owner}"


def describe_end(attempt: AttemptReport) -> str:
    """Return why an attempt ended, with its code. The reason may have any characters."""
    reason = attempt.reason or "the reason is unknown"
    return reason if attempt.code is None else f"{reason} ({attempt.code})"


def describe_next_attempt(training: Training, ended: AttemptReport) -> str:
    """Return why an attempt ended, and that another one follows: ``1 ended: …; attempt 2 of 3 follows``."""
    total = max_attempts(training)
    following = f"attempt {ended.number + 1}" if total is None else f"attempt {ended.number + 1} of {total}"
    return f"{ended.number} ended: {describe_end(ended)}; {following} follows"


def max_attempts(training: Training) -> int | None:
    """Return the attempts that the definition permits; None if the service does not report it."""
    return None if training.entity.recovery is None else training.entity.recovery.attempts
