"""Commands that list the runtimes of a service, and install the environment of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Cell, Column, JsonOption, print_line, print_model, print_table
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.contract.instance import Runtime

group = typer.Typer(help="The runtimes of the service.", invoke_without_command=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(group, prepare, examples=("airflow-dlaas runtimes prepare tensorflow 2.21",))
    app.add_typer(
        group,
        name="runtimes",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples(
            "airflow-dlaas runtimes",
            "airflow-dlaas runtimes --json | jq -r '.resources[].version'",
            "airflow-dlaas runtimes prepare tensorflow 2.21",
        ),
    )


@group.callback()
def runtimes(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the runtimes of the service: whether each works, and the size of its environment."""
    if context.invoked_subcommand is not None:
        return
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        listed = client.send(calls.list_runtimes())
    if as_json:
        print_model(listed)
        return
    rows: list[list[str | Cell]] = [
        [one.framework, one.version, ", ".join(one.aliases), one.provides, _describe_disk(one), _describe_note(one)]
        for one in listed.resources
    ]
    print_table(
        [Column(title) for title in ("FRAMEWORK", "VERSION", "ALSO", "REALLY RUNS", "ENVIRONMENT", "NOTE")], rows
    )
    if listed.images:
        print_line(f"Images that definitions may name: {listed.images}")
    print_line(f"{listed.gpus} GPU slots")
    if listed.catalogue_problem:
        print_line(f"{listed.catalogue_problem}; the catalogue that was read before is in use", err=True)


def prepare(
    framework: Annotated[str, typer.Argument(help="The name, as in a training definition.")],
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
    from airflow_dlaas.service.config.read_settings import read_settings

    try:
        from airflow_dlaas.service.dispatcher.gpu_inventory import resolve_slots
        from airflow_dlaas.service.runtimes.catalogue import load_catalogue
        from airflow_dlaas.service.runtimes.entry_checks import EntryChecks
        from airflow_dlaas.service.runtimes.probe import check_entry
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
        raise InvalidArgument("; ".join(f"framework {one}" for one in validation_messages(error))) from None
    catalogue = load_catalogue(settings.catalogue, has_gpus=has_gpus, check_entry=EntryChecks(check_entry))
    spec = catalogue.resolve(requested, "")
    provision_runtime(spec, data_dir.environments, print_line)
    print_line(f"{framework} {version} is ready: {spec.provides}")


def _describe_disk(runtime: Runtime) -> str:
    """Return whether the environment of *runtime* is made, and its size. An older service does not report it."""
    from airflow_dlaas.contract.byte_size import format_bytes

    if runtime.prepared is None:
        return runtime.kind or ""
    if not runtime.prepared:
        return "not made yet"
    return f"made, {format_bytes(runtime.environment_bytes or 0)}"


def _describe_note(runtime: Runtime) -> Cell:
    if runtime.unavailable:
        return Cell(f"unavailable: {runtime.unavailable}", "red")
    return Cell("compatibility" if runtime.compatibility else "", "yellow")
