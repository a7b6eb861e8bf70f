"""The command that prints the version."""

from __future__ import annotations

import typer

from airflow_dlaas import __version__
from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.output import JsonOption, print_json, print_line


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(app, version, HelpPanel.SERVICE, examples=("airflow-dlaas version", "airflow-dlaas version --json"))


def version(as_json: JsonOption = False) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__})
    else:
        print_line(f"airflow-dlaas {__version__}")
