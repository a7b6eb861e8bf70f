"""Commands that list the environments on this machine (of runtimes, of packages) and remove unused ones."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import HomeOption
from airflow_dlaas.cli.output import Column, JsonOption, print_json, print_line, print_table
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.cli.training_text import format_time
from airflow_dlaas.contract.base import format_time as format_json_time
from airflow_dlaas.exceptions import HostError

if TYPE_CHECKING:
    from airflow_dlaas.service.packages.retention import StoredEnvironment

DEFAULT_UNUSED_DAYS = 30
MAX_SHOWN_REQUIREMENTS = 3

group = typer.Typer(help="The environments on this machine.", invoke_without_command=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group,
        prune,
        examples=("airflow-dlaas environments prune", "airflow-dlaas environments prune --unused-days 7 --json"),
    )
    app.add_typer(
        group,
        name="environments",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples(
            "airflow-dlaas environments",
            "airflow-dlaas environments --json | jq '[.environments[].size] | add'",
            "airflow-dlaas environments prune",
        ),
    )


@group.callback()
def environments(context: typer.Context, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    List the environments that a service has made on this machine, the least recently used first.

    The service may run or not.
    """
    if context.invoked_subcommand is not None:
        return
    found = [(kind, one) for kind, folder in _folders(home) for one in _list(folder)]
    found.sort(key=lambda one: one[1].used_at)
    if as_json:
        print_json({"environments": [_document(kind, one) for kind, one in found]})
        return
    columns = (Column("KEY"), Column("KIND"), Column("SIZE"), Column("LAST USE"), Column("MADE OF", cut=True))
    print_table(
        columns,
        ((one.key, kind, format_size(one.size), format_time(one.used_at), _made_of(one)) for kind, one in found),
    )


def prune(
    unused_days: Annotated[
        float, typer.Option("--unused-days", min=0, help="Remove environments that were not used for so many days.")
    ] = DEFAULT_UNUSED_DAYS,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Remove the environments that were not used for some time.

    One that a running training uses stays. A removed one is made again when a training needs it: from the same lock, so
    with the same versions.
    """
    from airflow_dlaas.service.packages import retention

    seconds = timedelta(days=unused_days).total_seconds()
    removed = [(kind, one) for kind, folder in _folders(home) for one in retention.prune(folder, seconds)]
    if as_json:
        print_json({"removed": [_document(kind, one) for kind, one in removed]})
        return
    for kind, one in removed:
        print_line(f"Removed {one.key} ({kind}, {format_size(one.size)}): {_made_of(one)}")
    print_line(f"{len(removed)} environments removed, {format_size(sum(one.size for _, one in removed))}")


def format_size(size: int) -> str:
    """Return a number of bytes for people."""
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 else f"{size / 1024**2:.1f} MiB"


def _folders(home: Path | None) -> list[tuple[str, Path]]:
    from airflow_dlaas.service.config.client_settings import read_client_settings
    from airflow_dlaas.service.config.data_dir import DataDir

    try:
        from airflow_dlaas.service.packages.ensure import PACKAGES_FOLDER
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error

    path, _ = read_client_settings(os.environ, str(home) if home else None)
    folder = DataDir(path).environments
    return [("runtime", folder), ("packages", folder / PACKAGES_FOLDER)]


def _list(folder: Path) -> list[StoredEnvironment]:
    from airflow_dlaas.service.packages import retention

    return retention.list_environments(folder)


def _document(kind: str, one: StoredEnvironment) -> dict[str, Any]:
    return {
        "key": one.key,
        "kind": kind,
        "path": str(one.path),
        "size": one.size,
        "used_at": format_json_time(one.used_at),
        "runtime": one.runtime,
        "requirements": list(one.requirements),
    }


def _made_of(one: StoredEnvironment) -> str:
    names = [line.split(" --hash")[0] for line in one.requirements if not line.startswith("-")]
    more = f" and {len(names) - MAX_SHOWN_REQUIREMENTS} more" if len(names) > MAX_SHOWN_REQUIREMENTS else ""
    return ", ".join(names[:MAX_SHOWN_REQUIREMENTS]) + more or one.runtime
