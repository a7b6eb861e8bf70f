"""The command `airflow-dlaas logs`, and the wait for the end of a training while its log is printed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_state
from airflow_dlaas.cli.output import print_error, print_line
from airflow_dlaas.cli.runs import TrainingIdArgument

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.training import Training

LOG_IDLE_TIMEOUT = 1.0
"""Seconds without a new line after which the command without --follow ends, while the training runs."""

STATE_POLL_INTERVAL = 1.0
"""Seconds between two requests for the state, if the log is complete before the state is final."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        logs,
        HelpPanel.TRAININGS,
        examples=(
            "airflow-dlaas logs training-AbC_12-xY",
            "airflow-dlaas logs training-AbC_12-xY --follow",
            "airflow-dlaas logs training-AbC_12-xY | grep loss",
        ),
    )


def logs(
    training_id: TrainingIdArgument,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Wait for new lines until the training has ended; the exit code is its."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """
    Print the log of a training.

    With --follow, the exit code is 3 if the training failed, and 4 if it was canceled. Ctrl-C ends the command, and not
    the training.
    """
    import asyncio

    with open_client(home) as client:
        if follow:
            raise typer.Exit(follow_to_end(client, training_id))
        asyncio.run(_print_log(client, training_id, wait_for_end=False))


def follow_to_end(client: Client, training_id: str) -> ExitCode:
    """
    Print the log of a training until its end, then to stderr how it ended; return the exit code for that.

    Ctrl-C ends the wait only: the code is then `ExitCode.INTERRUPTED`.
    """
    import asyncio

    try:
        asyncio.run(_print_log(client, training_id, wait_for_end=True))
        training = _wait_for_final_state(client, training_id)
    except KeyboardInterrupt:
        print_line(
            f"\n{training_id} is not canceled, it goes on. `airflow-dlaas logs --follow {training_id}` follows it "
            f"again, `airflow-dlaas cancel {training_id}` cancels it",
            err=True,
        )
        return ExitCode.INTERRUPTED
    _print_end(training)
    return exit_code_for_state(training.state)


def _wait_for_final_state(client: Client, training_id: str) -> Training:
    from airflow_dlaas.client import calls

    while not (training := client.send(calls.get_training(training_id))).state.is_final:
        time.sleep(STATE_POLL_INTERVAL)
    return training


def _print_end(training: Training) -> None:
    from airflow_dlaas.cli.training_text import describe_error, run_duration
    from airflow_dlaas.contract.outcome import attempts_before_failure

    took = f" after {duration}" if (duration := run_duration(training)) else ""
    match exit_code_for_state(training.state):
        case ExitCode.TRAINING_FAILED:
            attempts = f" {counted}" if (counted := attempts_before_failure(training)) else ""
            print_error(f"{training.id} failed{attempts}{took}: {describe_error(training) or training.status.message}")
        case ExitCode.TRAINING_CANCELED:
            print_error(f"{training.id} was canceled{took}")
        case _:
            print_line(f"{training.id} completed{took}", err=True)


async def _print_log(client: Client, training_id: str, *, wait_for_end: bool) -> None:
    """Print the log; until the end of the training if *wait_for_end* is set, else up to its present end."""
    import asyncio
    from contextlib import aclosing

    from airflow_dlaas.cli.log_output import LogOutput
    from airflow_dlaas.client import calls
    from airflow_dlaas.client.log_stream import follow_log

    # A progress bar is redrawn each second, so that there may be no second without new text.
    limited = not wait_for_end and client.extensions.curves
    present_end = client.send(calls.get_log(training_id, tail=1)).size if limited else None
    has_no_timeout = True  # until the state of the training is known
    with LogOutput() as output:
        async with aclosing(follow_log(client, training_id)) as frames:
            while True:
                next_frame = asyncio.ensure_future(anext(frames, None))
                try:
                    done, _ = await asyncio.wait({next_frame}, timeout=None if has_no_timeout else LOG_IDLE_TIMEOUT)
                finally:
                    if not next_frame.done():  # timeout or Ctrl-C: a generator that runs cannot be closed
                        next_frame.cancel()
                        await asyncio.wait({next_frame})
                if not done:
                    return
                frame = next_frame.result()
                if frame is None:
                    return
                state = frame.status.state
                has_no_timeout = wait_for_end or (state is not None and state.is_final)
                if frame.status.message:
                    output.print_log_text(frame.status.message)
                if not has_no_timeout and present_end is not None and (frame.status.offset or 0) >= present_end:
                    return
