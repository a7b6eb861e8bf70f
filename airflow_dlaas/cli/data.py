"""Commands that upload training data to a container, and download it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store
from airflow_dlaas.cli.output import JsonOption, print_line
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.cli.transfer_display import print_plan, print_report, progress_display
from airflow_dlaas.exceptions import InvalidName, NothingSelected, ObjectNotFound

if TYPE_CHECKING:
    from airflow_dlaas.storage.sources.local import Source
    from airflow_dlaas.storage.transfer.options import UploadOptions

ContainerArgument = Annotated[str, typer.Argument(metavar="CONTAINER", help="The container.")]
PrefixOption = Annotated[str, typer.Option(help="The folder in the container.")]
AllowEmptyOption = Annotated[bool, typer.Option("--allow-empty", help="Succeed if there is nothing to transfer.")]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=256, help="Files, or parts of large ones, at a time; default: adapted to the speed."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        upload,
        HelpPanel.DATA,
        examples=(
            "airflow-dlaas upload ./digits digits --prefix train",
            "airflow-dlaas upload 'lake/2026-11-*' digits --exclude '*.tmp'",
            "airflow-dlaas upload ./digits digits --prefix train --delete --dry-run",
        ),
    )
    add_command(
        app,
        download,
        HelpPanel.DATA,
        examples=(
            "airflow-dlaas download digits ./here --prefix train",
            "airflow-dlaas download results ./model --prefix training-AbC_12-xY/model",
        ),
    )


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
    connection: ConnectionOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Upload training data to a container; unchanged files are not sent again.

    A missing container is created. If the command is interrupted, the next call resumes the upload, also in the middle
    of a large file.
    """
    from dataclasses import replace

    from airflow_dlaas.contract.results import uploaded_results_warning
    from airflow_dlaas.storage.transfer import api
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

    options = api.UploadOptions(
        prefix=prefix,
        include=include,
        exclude=exclude or (),
        delete=delete,
        allow_empty=allow_empty,
        threads=threads,
        create_container=True,
    )
    _require_place(container, prefix)
    sources = _find_files(source, options)
    access = find_store(home, connection)
    options = replace(options, checksum_cache=ChecksumCache(default_path()))
    with open_store(access) as store:
        if dry_run:
            print_plan(api.plan_upload(store, sources, container, options), container, as_json=as_json)
            return
        with progress_display("Uploaded") as on_progress:
            report = api.upload(store, sources, container, replace(options, progress=on_progress))
    deleted = f", {report.deleted} deleted" if delete else ""
    text = f"{report.files} files sent ({report.bytes:,} bytes), {report.unchanged} unchanged{deleted}"
    print_report(report, text, as_json=as_json)
    if report.result_folders:
        print_line(uploaded_results_warning(container, report.result_folders), err=True)


def download(
    container: ContainerArgument,
    destination: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The local folder; it is created if it is missing.")
    ],
    prefix: PrefixOption = "",
    allow_empty: AllowEmptyOption = False,
    connection: ConnectionOption = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """Download and verify the objects of a container, without unchanged files; resumes an interrupted download."""
    from airflow_dlaas.contract.results import internal_result_objects
    from airflow_dlaas.storage.transfer import api
    from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

    _require_place(container, prefix)
    with open_store(find_store(home, connection)) as store, progress_display("Downloaded") as on_progress:
        options = api.DownloadOptions(
            prefix=prefix,
            exclude_filter=lambda names: internal_result_objects(names, prefix),
            allow_empty=allow_empty,
            checksum_cache=ChecksumCache(default_path()),
            threads=threads,
            progress=on_progress,
        )
        try:
            report = api.download(store, container, destination, options)
        except ObjectNotFound as error:
            raise ObjectNotFound(_with_option_name(error)) from error
    text = f"{report.files} files fetched ({report.bytes:,} bytes), {report.unchanged} unchanged"
    print_report(report, text, as_json=as_json)


def _require_place(container: str, prefix: str) -> None:
    """
    Check the names of a place in the store before anything else: they need no connection.

    :raises InvalidName: the message has the command line that was meant, where a folder was written into the container.
    """
    from airflow_dlaas.contract.store_names import require_container_name, require_prefix

    name, slash, folder = container.rpartition("://")[2].partition("/")
    if slash and name:
        meant = "/".join(part.strip("/") for part in (folder, prefix) if part.strip("/"))
        raise InvalidName(
            f"container: {container!r} is not the name of a container: a slash begins a folder, which belongs into "
            f"--prefix. Write {name.rpartition('@')[2]}" + (f" --prefix {meant}" if meant else "")
        )
    require_container_name(container)
    require_prefix(prefix)


def _find_files(source: str, options: UploadOptions) -> Sequence[Source]:
    """Find the files of an upload, as `storage.transfer.api.upload` does, before a connection is looked for."""
    from airflow_dlaas.contract.patterns import parse_patterns
    from airflow_dlaas.storage.sources.local import local_sources

    include, exclude = parse_patterns(options.include, "include"), parse_patterns(options.exclude, "exclude") or ()
    try:
        return local_sources(source, include, exclude)
    except NothingSelected as error:
        if options.allow_empty:
            return ()
        raise NothingSelected(_with_option_name(error)) from error


def _with_option_name(error: Exception) -> str:
    """Return the message of *error* with the option of the console instead of the parameter of operators."""
    return str(error).replace("set allow_empty", "add --allow-empty")
