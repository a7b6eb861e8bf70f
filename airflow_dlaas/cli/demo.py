"""`airflow-dlaas demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    keep: Annotated[bool, typer.Option(help="Leave Airflow and the service up to look at, until Ctrl-C.")] = False,
    home: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path(".demo"),
    airflow_port: Annotated[int, typer.Option(help="Port of Airflow's UI.")] = 8080,
    port: Annotated[int, typer.Option(help="Port of the training service.")] = 8480,
    objectstore_port: Annotated[int, typer.Option(help="Port of the embedded Swift.")] = 8481,
) -> None:
    """Train a real model with a real Airflow, from nothing to its accuracy, and clean up."""
    from airflow_dlaas.demo.command import demo as run

    raise typer.Exit(run(keep=keep, home=home, airflow_port=airflow_port, port=port, objectstore_port=objectstore_port))
