"""Commands that list, show and cancel training runs, and print their logs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.contract.state import TrainingState

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.training import Training

STATE_COLORS = {
    TrainingState.PENDING: "yellow",
    TrainingState.RUNNING: "cyan",
    TrainingState.COMPLETED: "green",
    TrainingState.ERROR: "red",
    TrainingState.CANCELED: "magenta",
}

TrainingIdArgument = Annotated[str, typer.Argument(metavar="ID", help="The training's id, training-….")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (runs, show, logs, cancel):
        app.command()(command)


def runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20, home: HomeOption = None
) -> None:
    """List training runs, newest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from airflow_dlaas.client import calls

    with open_client(home) as client:
        listed = client.send(calls.list_trainings(limit))
    table = Table(box=None, pad_edge=False)
    for title in ("ID", "NAME", "STATE", "SUBMITTED", "TOOK", "SIZE"):
        table.add_column(title, overflow="ellipsis", no_wrap=True, min_width=8 if title == "NAME" else None)
    for one in listed.resources[:limit]:
        status = one.status
        phase = "" if one.state.is_final or status.phase is None else f", {status.phase}"
        queue = f" (#{status.queue_position + 1})" if status.queue_position is not None else ""
        table.add_row(
            one.id,
            Text(one.entity.model_definition.name),
            Text(f"{one.state}{phase}{queue}", STATE_COLORS[one.state]),
            _format_time(status.submitted_at),
            _format_duration(one),
            str(one.entity.model_definition.execution.resource_type),
        )
    Console().print(table)
    for training_id in sorted(listed.unreadable_ids):
        typer.echo(f"{training_id} cannot be read; `airflow-dlaas show {training_id}` prints the reason", err=True)


def show(training_id: TrainingIdArgument, home: HomeOption = None) -> None:
    """Show one training run: its definition, its state and its errors."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from airflow_dlaas.client import calls

    with open_client(home) as client:
        training = client.send(calls.get_training(training_id))
    model, status = training.entity.model_definition, training.status
    rows = {
        "id": training.id,
        "name": model.name,
        "state": f"{status.state}" + (f" ({status.phase})" if status.phase else ""),
        "queue": f"{status.queue_position} before it" if status.queue_position is not None else None,
        "framework": str(model.framework),
        "runs on": status.runtime,
        "command": model.execution.command,
        "gpus": f"{model.execution.resource_type}: {', '.join(status.gpus or ()) or 'none booked'}",
        "code": model.definition_location,
        "submitted": _format_time(status.submitted_at),
        "running": _format_time(status.running_at) if status.running_at else None,
        "finished": _format_time(status.finished_at) if status.finished_at else None,
        "took": _format_duration(training) or None,
        "message": status.message,
        "metrics": ", ".join(f"{value.name} {value.value:g}" for metric in status.metrics for value in metric.values),
        "error": "\n".join(f"{problem.message} ({problem.code})" for problem in status.error.errors)
        if status.error
        else None,
        "results": _results_location(training),
    }
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(name, Text(value))
    Console().print(table)


def logs(
    training_id: TrainingIdArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for new lines until the training has ended.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Print the log of a training run."""
    import asyncio

    with open_client(home) as client:
        asyncio.run(_print_log(client, training_id, wait_for_end=follow))


def cancel(training_id: TrainingIdArgument, home: HomeOption = None) -> None:
    """Cancel a training; its results so far are stored."""
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        client.send(calls.cancel_training(training_id))
    typer.echo(f"{training_id} is being canceled")


LOG_IDLE_TIMEOUT = 1.0
"""Seconds without a new line after which the command without --follow ends, while the training runs."""


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
                done, _ = await asyncio.wait({next_frame}, timeout=None if has_no_timeout else LOG_IDLE_TIMEOUT)
                if not done:
                    next_frame.cancel()
                    await asyncio.wait({next_frame})
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


def _format_time(timestamp: datetime) -> str:
    return timestamp.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _format_duration(training: Training) -> str:
    status = training.status
    if status.running_at is None:
        return ""
    seconds = int(((status.finished_at or status.current_at) - status.running_at).total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _results_location(training: Training) -> str | None:
    results = training.entity.training_results
    if results is None or results.location is None:
        return None
    return f"{results.location.container}/{results.location.model_location}/"
