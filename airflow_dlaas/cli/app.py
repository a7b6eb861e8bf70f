"""All commands in one application; a command that fails prints its error to stderr (`exit_codes`)."""

from __future__ import annotations

import typer

from airflow_dlaas import __version__
from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.cli import data, definitions, demo, examples, fetch, runs, runtimes, serve, users
from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_error
from airflow_dlaas.cli.train import command as train
from airflow_dlaas.exceptions import DlaasError, InvalidDefinition

app = typer.Typer(
    name="airflow-dlaas",
    help="Deep-learning training for Apache Airflow: the service, and a client for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command_module in (serve, demo, examples, train, runs, fetch, definitions, data, runtimes, users):
    command_module.register(app)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"airflow-dlaas {__version__}")


def run() -> None:
    """Run the command line: print a `DlaasError` as a message; any other exception keeps its traceback."""
    try:
        app()
    except InvalidDefinition as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise SystemExit(ExitCode.FAILED) from None
    except DlaasError as error:
        from rich.console import Console
        from rich.markup import escape

        Console(stderr=True).print(
            f"[red]airflow-dlaas:[/red] {escape(escape_control_characters(str(error)))}",
            soft_wrap=True,
            highlight=False,
        )
        raise SystemExit(exit_code_for_error(error)) from None
