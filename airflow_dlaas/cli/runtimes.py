"""What can be run, and making an environment before the first training needs it."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, NotConfigured

group = typer.Typer(help="What the service can run.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="runtimes")


@group.callback()
def runtimes(context: typer.Context, home: HomeOption = None) -> None:
    """List what the service can run."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from airflow_dlaas.client import calls

    with open_client(home) as opened:
        listed = opened.send(calls.list_runtimes())
    table = Table(box=None, pad_edge=False)
    for title in ("FRAMEWORK", "VERSION", "ALSO", "REALLY RUNS", "NOTE"):
        table.add_column(title, overflow="fold")
    for one in listed.resources:
        note = f"unavailable: {one.unavailable}" if one.unavailable else "compatibility" if one.compatibility else ""
        table.add_row(
            one.framework,
            one.version,
            ", ".join(one.aliases),
            Text(one.provides),
            Text(note, "red" if one.unavailable else "yellow"),
        )
    console = Console()
    console.print(table)
    console.print(f"{listed.gpus} GPU slots")


@group.command()
def prepare(
    framework: Annotated[str, typer.Argument(help="tensorflow, torch or caffe.")],
    version: Annotated[str, typer.Argument(help="The version, as a definition says it.")],
    home: HomeOption = None,
) -> None:
    """
    Make a runtime's environment now, on this machine, so that no training has to wait for it.

    Works while the service runs and while it does not; one that is there already is left as it is.
    """
    from pydantic import ValidationError

    from airflow_dlaas.contract.definition import Framework
    from airflow_dlaas.contract.validation_messages import validation_messages
    from airflow_dlaas.service.config.data_dir import DataDir
    from airflow_dlaas.service.config.settings import read_settings

    try:
        from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots
        from airflow_dlaas.service.runtimes.catalogue import load_catalogue
        from airflow_dlaas.service.runtimes.provision import provision_runtime
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error

    settings = read_settings(os.environ, {"home": str(home) if home else None})
    kept = DataDir(settings.home)
    kept.create()
    real = not resolve_slots(settings.gpus)[0].startswith("virtual:")
    try:
        wanted = Framework(name=framework, version=version)
    except ValidationError as error:
        raise NotConfigured("; ".join(validation_messages(error))) from None
    spec = load_catalogue(settings.catalogue, has_gpus=real).resolve(wanted, "")
    provision_runtime(spec, kept.environments, typer.echo)
    typer.echo(f"{framework} {version} is ready: {spec.provides}")
