"""Commands of the operator: drain the service, and cordon a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import HomeOption, open_client
from airflow_dlaas.cli.output import Cell, Column, JsonOption, print_fields, print_line, print_model, print_table
from airflow_dlaas.exceptions import InvalidArgument, NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.client.client import Client
    from airflow_dlaas.contract.maintenance import GpuState, Maintenance, MaintenanceEntry

drain_group = typer.Typer(help="Drain the service: start no training.", no_args_is_help=True, rich_markup_mode="rich")
gpu_group = typer.Typer(help="The GPUs of the service.", invoke_without_command=True, rich_markup_mode="rich")

ReasonOption = Annotated[str, typer.Option(help="Why, for other operators.")]
GpuArgument = Annotated[str, typer.Argument(metavar="NAME", help="A name that airflow-dlaas gpus lists.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        drain_group,
        drain_on,
        name="on",
        examples=('airflow-dlaas drain on --reason "new driver on Monday"',),
    )
    add_command(drain_group, drain_off, name="off", examples=("airflow-dlaas drain off",))
    add_command(
        drain_group,
        drain_status,
        name="status",
        examples=("airflow-dlaas drain status", "airflow-dlaas drain status --json | jq .running"),
    )
    app.add_typer(
        drain_group,
        name="drain",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples("airflow-dlaas drain on", "airflow-dlaas drain status"),
    )
    add_command(gpu_group, cordon, examples=('airflow-dlaas gpus cordon GPU-2f5a --reason "ECC errors"',))
    add_command(gpu_group, uncordon, examples=("airflow-dlaas gpus uncordon GPU-2f5a",))
    app.add_typer(
        gpu_group,
        name="gpus",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples("airflow-dlaas gpus", "airflow-dlaas gpus cordon GPU-2f5a"),
    )


@drain_group.callback()
def drain() -> None:
    """Drain the service: start no training. Running trainings continue, new ones wait in the queue."""


def drain_on(reason: ReasonOption = "", home: HomeOption = None) -> None:
    """
    Drain the service: from now on, it starts no training.

    Running trainings continue. New ones are accepted and wait in the queue, also over restarts of the service. If the
    service is drained already, the reason is replaced.
    """
    from airflow_dlaas.client import calls

    _require_reason(reason)
    with _open_maintenance(home) as client:
        client.send(calls.drain_service(reason))
        found = client.send(calls.get_maintenance())
    print_line(f"The service is drained: {found.running} trainings still run, {found.queued} wait")


def drain_off(home: HomeOption = None) -> None:
    """End the drain: the service starts trainings again, those that have waited longest first."""
    from airflow_dlaas.client import calls

    with _open_maintenance(home) as client:
        client.send(calls.end_drain())
    print_line("The service starts trainings")


def drain_status(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """Print whether the service is drained, and how many trainings run and wait."""
    found = _get_maintenance(home)
    if as_json:
        print_model(found)
        return
    print_fields(
        {
            "drained": f"since {_describe(found.drain)}" if found.drain else "no",
            "running": str(found.running),
            "queued": str(found.queued),
            "cordoned GPUs": ", ".join(gpu.name for gpu in found.gpus if gpu.cordon) or "(none)",
        }
    )


@gpu_group.callback()
def gpus(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the GPUs of the service: whether a training has them, and whether they are cordoned."""
    if context.invoked_subcommand is not None:
        return
    found = _get_maintenance(home)
    if as_json:
        print_model(found)
        return
    rows: list[list[str | Cell]] = [[gpu.name, _describe_use(gpu), _describe_cordon(gpu)] for gpu in found.gpus]
    print_table([Column(title) for title in ("GPU", "USE", "CORDON")], rows)


def cordon(name: GpuArgument, reason: ReasonOption = "", home: HomeOption = None) -> None:
    """
    Cordon a GPU: from now on, no training gets it. A training that has it keeps it until its end.

    A training that needs more GPUs than are not cordoned waits. A cordon outlives restarts of the service.
    """
    from airflow_dlaas.client import calls

    _require_reason(reason)
    with _open_maintenance(home) as client:
        client.send(calls.cordon_gpu(name, reason))
        in_use = any(gpu.in_use for gpu in client.send(calls.get_maintenance()).gpus if gpu.name == name)
    print_line(f"{name} is cordoned" + ("; a training has it until its end" if in_use else ""))


def uncordon(name: GpuArgument, home: HomeOption = None) -> None:
    """End the cordon of a GPU: trainings get it again."""
    from airflow_dlaas.client import calls

    with _open_maintenance(home) as client:
        client.send(calls.uncordon_gpu(name))
    print_line(f"{name} is not cordoned")


@contextmanager
def _open_maintenance(home: Path | None) -> Iterator[Client]:
    """Open a client; raise `NotConfigured` if the service has no maintenance."""
    with open_client(home) as client:
        if not client.extensions.maintenance:
            raise NotConfigured(f"The service at {client.url} has no drain and no cordon: it must be updated first")
        yield client


def _get_maintenance(home: Path | None) -> Maintenance:
    from airflow_dlaas.client import calls

    with _open_maintenance(home) as client:
        return client.send(calls.get_maintenance())


def _require_reason(reason: str) -> None:
    from pydantic import ValidationError

    from airflow_dlaas.contract.maintenance import MaintenanceReason
    from airflow_dlaas.contract.validation_messages import validation_messages

    try:
        MaintenanceReason(reason=reason)
    except ValidationError as error:
        raise InvalidArgument("; ".join(f"--{one}" for one in validation_messages(error))) from None


def _describe(entry: MaintenanceEntry) -> str:
    return f"{entry.since:%Y-%m-%d %H:%M} UTC" + (f": {entry.reason}" if entry.reason else "")


def _describe_use(gpu: GpuState) -> Cell:
    if not gpu.present:
        return Cell("the service does not have it", "yellow")
    return Cell("a training" if gpu.in_use else "free")


def _describe_cordon(gpu: GpuState) -> Cell:
    return Cell(f"since {_describe(gpu.cordon)}" if gpu.cordon else "", "yellow")
