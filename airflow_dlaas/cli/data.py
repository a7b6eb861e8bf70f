"""Commands that upload training data to a container, and download it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.connection_options import HomeOption, read_store_connection, read_store_verify

if TYPE_CHECKING:
    from airflow_dlaas.storage.swift.store import SwiftStore
    from airflow_dlaas.storage.transfer.api import UploadPlan
    from airflow_dlaas.storage.transfer.worker_pool import Progress, ProgressCallback

ContainerArgument = Annotated[str, typer.Argument(metavar="CONTAINER", help="The container.")]
PrefixOption = Annotated[str, typer.Option(help="The folder in the container.")]
ConnectionOption = Annotated[str, typer.Option(help="The object store: a name in connections.json.")]
AllowEmptyOption = Annotated[bool, typer.Option("--allow-empty", help="Succeed if there is nothing to transfer.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Files, or parts of large ones, at a time; default: adapted to the speed."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (upload, download):
        app.command()(command)


def upload(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A file, a folder, or a glob in quotes.")],
    container: ContainerArgument,
    prefix: PrefixOption = "",
    include: Annotated[
        list[str] | None, typer.Option(help="Names or globs of the files to upload; may be repeated.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Names or globs of files to leave out; may be repeated.")
    ] = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Afterwards delete objects under the prefix that are not in SOURCE.")
    ] = False,
    allow_empty: AllowEmptyOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, and transfer nothing.")] = False,
    connection: ConnectionOption = "swift_default",
    threads: ThreadsOption = None,
    home: HomeOption = None,
) -> None:
    """
    Upload training data to a container; unchanged files are not sent again.

    If the command is interrupted, the next call resumes the upload, also in the middle of a large file.
    """
    from airflow_dlaas.contract.results import uploaded_results_warning
    from airflow_dlaas.storage.transfer import api
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

    checksum_cache = ChecksumCache(default_path())
    with open_store(home, connection) as store:
        if dry_run:
            plan = api.plan_upload(
                store,
                source,
                container,
                api.UploadOptions(
                    prefix=prefix,
                    include=include,
                    exclude=exclude or (),
                    delete=delete,
                    allow_empty=allow_empty,
                    checksum_cache=checksum_cache,
                    threads=threads,
                ),
            )
            _print_plan(plan)
            return
        with progress_display("Uploaded") as on_progress:
            report = api.upload(
                store,
                source,
                container,
                api.UploadOptions(
                    prefix=prefix,
                    include=include,
                    exclude=exclude or (),
                    delete=delete,
                    allow_empty=allow_empty,
                    checksum_cache=checksum_cache,
                    threads=threads,
                    progress=on_progress,
                    create_container=True,
                ),
            )
    deleted = f", {report.deleted} deleted" if delete else ""
    typer.echo(f"{report.files} files sent ({report.bytes:,} bytes), {report.unchanged} unchanged{deleted}")
    if report.result_folders:
        typer.echo(uploaded_results_warning(container, report.result_folders), err=True)


def download(
    container: ContainerArgument,
    destination: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The local folder; it is created if it is missing.")
    ],
    prefix: PrefixOption = "",
    allow_empty: AllowEmptyOption = False,
    connection: ConnectionOption = "swift_default",
    threads: ThreadsOption = None,
    home: HomeOption = None,
) -> None:
    """Download and verify the objects of a container, without unchanged files; resumes an interrupted download."""
    from airflow_dlaas.contract.results import result_folder_markers
    from airflow_dlaas.storage.transfer import api
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

    with open_store(home, connection) as store, progress_display("Downloaded") as on_progress:
        report = api.download(
            store,
            container,
            destination,
            api.DownloadOptions(
                prefix=prefix,
                exclude_filter=lambda names: result_folder_markers(names, prefix),
                allow_empty=allow_empty,
                checksum_cache=ChecksumCache(default_path()),
                threads=threads,
                progress=on_progress,
            ),
        )
    typer.echo(f"{report.files} files fetched ({report.bytes:,} bytes), {report.unchanged} unchanged")


@contextmanager
def open_store(home: Path | None, name: str) -> Iterator[SwiftStore]:
    """Open the object store of the connection *name*; see `read_store_connection`."""
    from airflow_dlaas.contract.stores import StoreConnection
    from airflow_dlaas.storage.swift.store import SwiftStore

    connection = StoreConnection.model_validate(read_store_connection(home, name))
    with SwiftStore.open(connection, verify=read_store_verify(home, name)) as store:
        yield store


class _StderrLogger:
    """Prints log messages to stderr, where no logging is configured."""

    def log(self, _level: int, message: Any, /, *args: Any) -> None:
        """Print the message."""
        typer.echo(message % args, err=True)


@contextmanager
def progress_display(verb: str) -> Iterator[ProgressCallback]:
    """Show a progress bar on a terminal, otherwise a line every few seconds; on stderr, so that stdout can be piped."""
    if not sys.stderr.isatty():
        from airflow_dlaas.storage.transfer.progress_logger import ProgressLogger

        yield ProgressLogger(verb, _StderrLogger())
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.fields[files]}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Display(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task("", total=None, files="comparing")

        def update(progress: Progress) -> None:
            files = f"{progress.files_done} of {progress.files_total} files"
            display.update(task, completed=progress.bytes_done, total=progress.bytes_total, files=files)

        yield update


def _print_plan(plan: UploadPlan) -> None:
    for source in plan.uploads:
        typer.echo(f"send    {source.name} ({source.size:,} bytes)")
    for name in plan.deletions:
        typer.echo(f"delete  {name}")
    upload_text = f"{len(plan.uploads)} files to send ({plan.bytes:,} bytes)"
    typer.echo(f"{upload_text}, {plan.unchanged} unchanged, {len(plan.deletions)} to delete")
