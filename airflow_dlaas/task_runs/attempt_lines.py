"""The lines about a training's attempts in the log of the task that waits for it. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.contract.attempt_text import describe_next_attempt, describe_source
from airflow_dlaas.contract.state import Phase, TrainingState

if TYPE_CHECKING:
    from airflow_dlaas.contract.attempts import AttemptReport, ResumedFrom
    from airflow_dlaas.contract.training import Training

PHASES_OF_THE_COMMAND = (Phase.PROCESSING, Phase.STORING)
"""The phases in which an attempt that has no checkpoint began without one: before them, none is loaded yet."""


def attempt_lines(training: Training) -> Iterator[str]:
    """
    Yield all lines about the attempts so far, in their order: with what each began, and why each earlier one ended.

    A line stays the same in later statuses, so that the caller logs each once. The end of the last attempt is that of
    the training, which the caller reports.
    """
    status = training.status
    present = status.attempt or 1
    for report in status.attempts or ():
        if report.number < present:
            if report.resumed_from is not None:
                yield _begin_line(training, report.number, report.resumed_from)
            yield _end_line(training, report)
    # A short attempt may complete between two polls. One that failed or was canceled may have ended before its command.
    has_begun = status.phase in PHASES_OF_THE_COMMAND or status.state is TrainingState.COMPLETED
    if status.resumed_from is not None or (present > 1 and has_begun):
        yield _begin_line(training, present, status.resumed_from)


def _begin_line(training: Training, attempt: int, source: ResumedFrom | None) -> str:
    begin = "without a checkpoint" if source is None else f"with {describe_source(source, training.id)}"
    return f"attempt {attempt} begins {begin}"


def _end_line(training: Training, report: AttemptReport) -> str:
    return escape_control_characters(f"attempt {describe_next_attempt(training, report)}", single_line=True)
