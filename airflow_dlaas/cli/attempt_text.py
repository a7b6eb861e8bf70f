"""How the console describes the attempts of a training and its checkpoints. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_dlaas.contract.attempt_text import describe_end, describe_source, max_attempts
from airflow_dlaas.contract.attempts import AttemptReport
from airflow_dlaas.contract.byte_size import format_bytes
from airflow_dlaas.contract.training import Training


def describe_attempt(training: Training) -> str | None:
    """Return ``attempt 2 of 3``; None for the only attempt of a training, and where the service reports none."""
    return f"attempt {number}" if (number := describe_attempt_number(training)) else None


def describe_attempt_number(training: Training) -> str:
    """Return ``2 of 3``; empty for the only attempt of a training, and where the service reports none."""
    number, total = training.status.attempt, max_attempts(training)
    if number is None or (number == 1 and (total or 1) == 1):
        return ""
    return str(number) if total is None else f"{number} of {total}"


def ended_attempts(training: Training) -> Sequence[AttemptReport]:
    """Return the attempts before the present one."""
    present = training.status.attempt or 1
    return [one for one in training.status.attempts or () if one.number < present]


def describe_attempts(training: Training) -> str | None:
    """Return a line for each attempt, with the checkpoint that it began with and why it ended; None for only one."""
    reports = training.status.attempts or ()
    return "\n".join(_attempt_line(one, training.id) for one in reports) or describe_attempt(training)


def describe_checkpoint(training: Training) -> str | None:
    """Return the newest complete checkpoint with its size and its age by the service's clock; None without one."""
    found = training.status.checkpoint
    if found is None:
        return None
    files = "1 file" if found.files == 1 else f"{found.files:,} files"
    attempt = f" of attempt {found.attempt}" if (training.status.attempt or 1) > 1 else ""
    return f"{found.number}{attempt}: {files}, {summarize_checkpoint(training)}"


def summarize_checkpoint(training: Training) -> str:
    """Return size and age of the newest complete checkpoint; empty without one."""
    found = training.status.checkpoint
    if found is None:
        return ""
    seconds = max(0, int((training.status.current_at - found.stored_at).total_seconds()))
    return f"{format_bytes(found.bytes)}, {_age(seconds)} ago"


def _attempt_line(attempt: AttemptReport, training_id: str) -> str:
    source = attempt.resumed_from
    begin = "the beginning" if source is None else describe_source(source, training_id)
    return ", ".join([f"{attempt.number}: from {begin}", *_end(attempt)])


def _end(attempt: AttemptReport) -> Iterator[str]:
    if attempt.reason is not None or attempt.code is not None:
        yield f"ended: {describe_end(attempt)}"


def _age(seconds: int) -> str:
    """Return a duration in its two largest units."""
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
