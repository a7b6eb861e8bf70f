"""The exit codes of the console: docs/console.md lists them for scripts."""

from __future__ import annotations

from enum import IntEnum

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.exceptions import DlaasError, NotConfigured, StoreRefused, Unauthenticated


class ExitCode(IntEnum):
    """What the exit code of a command means."""

    SUCCESS = 0
    FAILED = 1
    """The command failed; stderr has the reason. A retry does not help."""
    WRONG_USAGE = 2
    """The command line is invalid (typer's own code)."""
    TRAINING_FAILED = 3
    """The training that the command waited for failed."""
    TRAINING_CANCELED = 4
    """The training that the command waited for was canceled."""
    NOT_CONFIGURED = 5
    """A setting, a connection or a credential is missing or wrong."""
    UNAVAILABLE = 6
    """The service or the object store does not answer now; a retry may help."""
    INTERRUPTED = 130
    """Ctrl-C ended the command. A training that it waited for goes on."""
    OUTPUT_CLOSED = 141
    """The program that read the output has ended, as in ``| head``; shells have the same code for it."""


def exit_code_for_error(error: DlaasError) -> ExitCode:
    """Return the exit code of a command that *error* ended."""
    if error.transient:
        return ExitCode.UNAVAILABLE
    if isinstance(error, (NotConfigured, Unauthenticated, StoreRefused)):
        return ExitCode.NOT_CONFIGURED
    return ExitCode.FAILED


def exit_code_for_state(state: TrainingState) -> ExitCode:
    """Return the exit code of a command that waited for a training, by its final state."""
    match state:
        case TrainingState.ERROR:
            return ExitCode.TRAINING_FAILED
        case TrainingState.CANCELED:
            return ExitCode.TRAINING_CANCELED
        case _:
            return ExitCode.SUCCESS
