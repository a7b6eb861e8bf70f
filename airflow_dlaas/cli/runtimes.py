"""Commands that list the runtimes of a service, and install the environment of one."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, NotConfigured

group = typer.Typer(help="The runtimes of the service.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="runtimes")


@group.callback()
def runtimes(context: typer.Context, home: HomeOption = None) -> None:
    """List the runtimes of the service."""
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from airflow_dlaas.client import calls

    with open_client(home) as client:
        listed = client.send(calls.list_runtimes())
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
    version: Annotated[str, typer.Argument(help="The version, as in a training definition.")],
    home: HomeOption = None,
) -> None:
    """
    Install the environment of a runtime on this machine, so that no training has to wait for the installation.

    The service may run or not. An environment that exists is not changed.
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
    data_dir = DataDir(settings.home)
    data_dir.create()
    has_gpus = not resolve_slots(settings.gpus)[0].startswith("virtual:")
    try:
        requested = Framework(name=framework, version=version)
    except ValidationError as error:
        raise NotConfigured("; ".join(validation_messages(error))) from None
    spec = load_catalogue(settings.catalogue, has_gpus=has_gpus).resolve(requested, "")
    provision_runtime(spec, data_dir.environments, typer.echo)
    typer.echo(f"{framework} {version} is ready: {spec.provides}")
