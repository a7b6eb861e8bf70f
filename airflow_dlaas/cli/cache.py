"""Commands on the cache of training data of this machine: list, verify, prune."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import HomeOption
from airflow_dlaas.cli.exit_codes import ExitCode
from airflow_dlaas.cli.output import Column, JsonOption, print_json, print_line, print_table
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.cli.training_text import format_time
from airflow_dlaas.cli.transfer_display import progress_display
from airflow_dlaas.contract.base import format_time as format_json_time
from airflow_dlaas.contract.byte_size import format_bytes, parse_bytes
from airflow_dlaas.exceptions import HostError, InvalidArgument

if TYPE_CHECKING:
    from airflow_dlaas.service.data_cache.entries import CacheFolder

DEFAULT_UNUSED_DAYS = 30.0

group = typer.Typer(help="The cache of training data on this machine.", no_args_is_help=True, rich_markup_mode="rich")

CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder of the cache. Default: DLAAS_DATA_CACHE, or data-cache in the data directory.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group, list_, name="list", examples=("airflow-dlaas cache list", "airflow-dlaas cache list --cache /data/cache")
    )
    add_command(group, verify, examples=("airflow-dlaas cache verify", "airflow-dlaas cache verify --json"))
    add_command(
        group,
        prune,
        examples=("airflow-dlaas cache prune", "airflow-dlaas cache prune --unused-days 7 --to 500GiB"),
    )
    app.add_typer(
        group,
        name="cache",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples("airflow-dlaas cache list", "airflow-dlaas cache verify", "airflow-dlaas cache prune"),
    )


@group.callback()
def cache() -> None:
    """The cache of training data on this machine; the service may run or not."""


def list_(cache: CacheOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the containers that have data in the cache, the least recently used first."""
    with _opened(cache, home) as folder:
        from airflow_dlaas.service.data_cache.maintenance import list_sources

        found = list_sources(folder)
    if as_json:
        documents = [
            {
                "store": one.account_url,
                "container": one.container,
                "files": one.files,
                "bytes": one.bytes,
                "used_at": format_json_time(one.used_at),
                "trainings": one.trainings,
            }
            for one in found
        ]
        print_json({"cache": str(folder.path), "containers": documents})
        return
    columns = (
        *(Column("CONTAINER"), Column("FILES"), Column("SIZE"), Column("LAST USE"), Column("USED BY")),
        Column("STORE", cut=True),
    )
    print_table(
        columns,
        (
            (
                one.container,
                str(one.files),
                format_bytes(one.bytes),
                format_time(one.used_at),
                f"{one.trainings} training{'s' if one.trainings > 1 else ''}" if one.trainings else "-",
                one.account_url,
            )
            for one in found
        ),
    )


def verify(cache: CacheOption = None, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    Read all content again, and drop what does not have its checksum any more. Trainings may run meanwhile.

    Trainings that need dropped content fetch it again. If there was any, the exit code is 1.
    """
    with _opened(cache, home) as folder, progress_display("Verified") as on_progress:
        from airflow_dlaas.service.data_cache.scrub import scrub

        report = scrub(folder, on_progress)
        damaged = [
            {
                "container": folder.describe(one.file.source)[1],
                "path": folder.entry_path(one.file.source, one.file.name),
                "bytes": one.file.size,
                "reason": one.reason,
            }
            for one in report.damaged
        ]
    if as_json:
        print_json({"cache": str(folder.path), "files": report.files, "bytes": report.bytes, "damaged": damaged})
    else:
        for one in damaged:
            print_line(f"Dropped {one['path']} of container {one['container']}: {one['reason']}")
        print_line(f"{report.files} files verified, {format_bytes(report.bytes)}; {len(damaged)} were damaged")
    if damaged:
        raise typer.Exit(ExitCode.FAILED)


def prune(
    unused_days: Annotated[
        float,
        typer.Option("--unused-days", min=0, help="Remove data that was not used for so many days; 0 removes all."),
    ] = DEFAULT_UNUSED_DAYS,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="SIZE", help="Then remove the least recently used until SIZE is left (500GiB)."),
    ] = None,
    cache: CacheOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Remove data that was not used for some time. What a running training uses stays.

    Trainings that need removed data fetch it again.
    """
    max_bytes = None if to is None else _parse_size(to)
    with _opened(cache, home) as folder:
        from airflow_dlaas.service.data_cache import maintenance

        removed = maintenance.prune(
            folder, unused_seconds=timedelta(days=unused_days).total_seconds(), max_bytes=max_bytes
        )
    size = sum(one.size for one in removed)
    if as_json:
        print_json({"cache": str(folder.path), "files": len(removed), "bytes": size})
    else:
        print_line(f"{len(removed)} files removed, {format_bytes(size)}")


def _parse_size(text: str) -> int:
    try:
        return parse_bytes(text)
    except ValueError as error:
        raise InvalidArgument(f"--to {error}") from error


@contextmanager
def _opened(cache: Path | None, home: Path | None) -> Iterator[CacheFolder]:
    """
    Yield the folder of the cache, which exists.

    :raises InvalidArgument: there is no cache.
    :raises HostError: the block raises OSError.
    """
    try:
        from airflow_dlaas.service.data_cache.entries import CacheFolder
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error
    folder = CacheFolder(cache if cache is not None else _default_path(home))
    if not folder.exists():
        raise InvalidArgument(f"--cache: {folder.path} has no cache of training data; no training has used one yet")
    try:
        yield folder
    except OSError as error:
        raise HostError(f"The cache {folder.path} cannot be used: {error.strerror or error}") from error


def _default_path(home: Path | None) -> Path:
    """
    Return the folder that the settings of the service name.

    :raises InvalidArgument: the cache is off.
    """
    from airflow_dlaas.service.config.data_cache import resolve_data_cache
    from airflow_dlaas.service.config.read_settings import read_settings

    found = resolve_data_cache(read_settings(os.environ, {"home": str(home) if home else None}))
    if found is None:
        raise InvalidArgument("--cache: DLAAS_DATA_CACHE turns the cache off; name the folder of a cache by --cache")
    return found.path
