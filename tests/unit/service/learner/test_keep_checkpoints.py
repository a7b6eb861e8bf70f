"""Whether the end of a command is clean, so that all that it has written is complete."""

from __future__ import annotations

import pytest

from airflow_dlaas.service.learner.command_process import CommandResult
from airflow_dlaas.service.learner.keep_checkpoints import is_clean_end

STOPPED = {"grace_period": 30.0, "termination_seconds": 2.0}


@pytest.mark.parametrize(
    ("ended", "is_clean"),
    [
        (CommandResult(0), True),
        (CommandResult(1), False),
        (CommandResult(75), True),  # a code to recover from
        (CommandResult(137), False),  # also one, and a signal: see below
        (CommandResult(0, canceled=True, **STOPPED), True),
        (CommandResult(1, canceled=True, **STOPPED), True),
        (CommandResult(143, canceled=True, **STOPPED), False),
        (CommandResult(0, timed_out=True, **STOPPED), True),
        (CommandResult(0, stop_reason="no work", **STOPPED), True),
        (CommandResult(0, canceled=True, grace_period=30.0, termination_seconds=30.1), False),
    ],
    ids=str,
)
def test_end_is_clean_if_the_command_ended_by_itself(ended, is_clean):
    """A command that failed may have failed while it was writing; bash reports 128 + N for signal N."""
    assert is_clean_end(ended, {75, 137}) is is_clean
