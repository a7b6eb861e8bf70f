"""All commands in one application; a command that fails prints its error to stderr (`exit_codes`)."""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from airflow_dlaas import __version__
from airflow_dlaas.cli.command_help import format_examples
from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_error
from airflow_dlaas.cli.lazy_commands import LazyCommands
from airflow_dlaas.cli.output import prepare_streams, print_error, print_line
from airflow_dlaas.exceptions import DlaasError, HostError, InvalidDefinition

OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""Errors of writing to stdout: a full disk, or a terminal that is gone. Other code raises a `DlaasError` for them."""


class _ConsoleGroup(TyperGroup):
    """
    Imports a command when it is used; ends it without a traceback if its output cannot be written or Ctrl-C is pressed.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = LazyCommands()

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit(ExitCode.OUTPUT_CLOSED) from None
        except OSError as error:
            if error.errno not in OUTPUT_ERRORS or error.filename is not None:
                raise
            _discard_stdout()
            raise HostError(f"The output cannot be written: {error.strerror}") from error


app = typer.Typer(
    name="airflow-dlaas",
    cls=_ConsoleGroup,
    help="Deep-learning training for Apache Airflow: the service, and a client for it.",
    epilog=format_examples(
        "airflow-dlaas serve",
        "airflow-dlaas submit definition.json --follow",
        "airflow-dlaas runs --state running",
    ),
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(value: bool) -> None:
    if value:
        print_line(f"airflow-dlaas {__version__}")
        raise typer.Exit


@app.callback()
def console(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Accept the options before the command."""


def run() -> None:
    """Run the command line: print a `DlaasError` as a message; any other exception keeps its traceback."""
    prepare_streams()
    try:
        app(prog_name="airflow-dlaas")
    except InvalidDefinition as error:
        for problem in error.problems:
            print_line(problem, err=True)
        raise SystemExit(ExitCode.FAILED) from None
    except DlaasError as error:
        print_error(str(error))
        raise SystemExit(exit_code_for_error(error)) from None


def _discard_stdout() -> None:
    """Redirect stdout to nowhere: the interpreter, which flushes it at its end, would report the error again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
