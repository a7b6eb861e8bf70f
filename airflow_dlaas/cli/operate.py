"""Commands on the machine of the service: backup, restore, and the rotation of keys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import HomeOption
from airflow_dlaas.cli.output import JsonOption, print_json, print_line
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, InvalidArgument, NotConfigured

if TYPE_CHECKING:
    from airflow_dlaas.service.config.settings import Settings

key_group = typer.Typer(help="The keys of the service.", no_args_is_help=True, rich_markup_mode="rich")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The tar file of the backup.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        app,
        backup,
        HelpPanel.SERVICE,
        examples=("airflow-dlaas backup dlaas-monday.tar", "airflow-dlaas backup all.tar --with-objects"),
    )
    add_command(
        app,
        restore,
        HelpPanel.SERVICE,
        examples=("airflow-dlaas restore dlaas-monday.tar --home /srv/dlaas",),
    )
    add_command(
        key_group,
        rotate,
        examples=("airflow-dlaas keys rotate", "airflow-dlaas keys rotate token swift password"),
    )
    app.add_typer(
        key_group,
        name="keys",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples("airflow-dlaas keys rotate"),
    )


@key_group.callback()
def keys() -> None:
    """The keys of the service."""


def backup(
    file: FileArgument,
    with_objects: Annotated[
        bool, typer.Option("--with-objects", help="Include the embedded Swift; the service must be stopped.")
    ] = False,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Back up the data directory and the database of the service, which may run meanwhile.

    The file has keys and passwords, and only its owner can read it. It has credentials, database, archives of code, and
    logs and metrics of trainings; not the environments, which are made again.
    """
    settings = _read_settings(home)
    try:
        from airflow_dlaas.service.backup.create import create_backup
        from airflow_dlaas.service.config.data_dir import DataDir
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error
    manifest = create_backup(DataDir(settings.home), settings.database, file, with_objects=with_objects)
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size, "files": len(manifest.files), "database": manifest.database})
        return
    print_line(f"{file}: {len(manifest.files)} files, {size:,} bytes. It has keys and passwords: keep it secret")
    if manifest.database == "postgresql":
        print_line("The database is not in it: pg_dump must have run before this command")
    if not with_objects and settings.objectstore != "off":
        print_line("The objects of the embedded Swift are not in it (--with-objects, while the service is stopped)")


def restore(file: FileArgument, as_json: JsonOption = False, home: HomeOption = None) -> None:
    """
    Restore a backup into an empty data directory, and verify it.

    Trainings that ran at the time of the backup end in state error; queued ones start with the next start of the
    service. The service that the backup is from must not run any more.
    """
    settings = _read_settings(home)
    try:
        from airflow_dlaas.service.backup.restore import restore_backup
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error
    if not file.is_file():
        raise InvalidArgument(f"FILE: there is no file {file}")
    result = restore_backup(file, settings.home, settings.database)
    document = {"ended": result.ended, "queued": result.queued, "unreadable": result.unreadable}
    if as_json:
        print_json({"home": str(settings.home), **document})
        return
    print_line(
        f"{settings.home} is restored and verified: {result.ended} trainings that ran are in state error now, "
        f"{result.queued} queued ones start with airflow-dlaas serve"
    )
    if result.unreadable:
        print_line(f"The secrets of {result.unreadable} queued trainings cannot be decrypted: they will fail", err=True)


def rotate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[token] [swift] [password]", help="What to rotate. Default: token.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """
    Replace keys of the service by new ones. The service must be stopped; trainings may run.

    token: signs tokens, and encrypts the secrets of trainings. Clients log in again. swift: the key of the embedded
    object store; no training may run. password: of the service's own user. After swift and password, the connections
    must be imported into Airflow again.
    """
    settings = _read_settings(home)
    try:
        from airflow_dlaas.service.config.data_dir import DataDir
        from airflow_dlaas.service.key_rotation import KEY_NAMES, rotate_keys
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error
    wanted = [known for known in KEY_NAMES if known in (names or ["token"])]
    if unknown := set(names or ()) - set(KEY_NAMES):
        raise InvalidArgument(f"There is no key {min(unknown)!r}; there are {', '.join(KEY_NAMES)}")
    if "password" in wanted and settings.password is not None:
        raise NotConfigured("password: DLAAS_PASSWORD has the password; change it there, and restart the service")
    data_dir = DataDir(settings.home)
    result = rotate_keys(data_dir, settings.database or f"sqlite:///{data_dir.database}", wanted)
    print_line(f"New: {', '.join(result.rotated)}. The secrets of {result.reencrypted} trainings were encrypted anew")
    if {"swift", "password"} & set(result.rotated):
        print_line(f"Import the connections again: airflow connections import --overwrite {data_dir.connections_file}")


def _read_settings(home: Path | None) -> Settings:
    from airflow_dlaas.service.config.read_settings import read_settings

    return read_settings(os.environ, {"home": str(home) if home else None})
