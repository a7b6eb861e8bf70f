"""The result of a check, and what follows from all results. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from airflow_dlaas.cli.exit_codes import ExitCode


class Outcome(str, Enum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Trainings run, with a limit."""
    FAILED = "failed"
    """Trainings do not run, or not from here."""
    SKIPPED = "skipped"
    """It cannot be checked from here, or makes no sense."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    outcome: Outcome
    text: str
    """What was found, in a sentence."""
    way_out: str = ""
    """What to do about a warning or a failure."""


def ok(name: str, text: str) -> Check:
    """Return the result of a check without a problem."""
    return Check(name, Outcome.OK, text)


def warning(name: str, text: str, way_out: str) -> Check:
    """Return the result of a check with a limit for trainings."""
    return Check(name, Outcome.WARNING, text, way_out)


def failed(name: str, text: str, way_out: str) -> Check:
    """Return the result of a check that failed."""
    return Check(name, Outcome.FAILED, text, way_out)


def skipped(name: str, reason: str) -> Check:
    """Return the result of a check that was not done."""
    return Check(name, Outcome.SKIPPED, reason)


def exit_code(checks: Iterable[Check]) -> ExitCode:
    """Return 1 if a check failed, else 0."""
    return ExitCode.FAILED if any(one.outcome is Outcome.FAILED for one in checks) else ExitCode.SUCCESS
