"""`airflow-dlaas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app, demo, HelpPanel.SERVICE, examples=("airflow-dlaas demo", "airflow-dlaas demo --keep --airflow-port 8090")
    )


def demo(
    keep: Annotated[bool, typer.Option(help="Keep Airflow and the service running afterwards, until Ctrl-C.")] = False,
    home: Annotated[Path, typer.Option(help="Folder for all files of the demo.")] = Path(".demo"),
    airflow_port: Annotated[int, typer.Option(help="Port of Airflow's UI.")] = 8080,
    port: Annotated[int, typer.Option(help="Port of the training service.")] = 8480,
    objectstore_port: Annotated[int, typer.Option(help="Port of the embedded Swift.")] = 8481,
) -> None:
    """Start Airflow and the training service, train a model, print its accuracy, and stop everything."""
    from airflow_dlaas.demo.command import demo as run

    raise typer.Exit(run(keep=keep, home=home, airflow_port=airflow_port, port=port, objectstore_port=objectstore_port))
