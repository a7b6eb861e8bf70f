"""Commands for the file of additional users of the service (DLAAS_USERS)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.settings import read_user_file_path

group = typer.Typer(help="Additional users of the service.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
FileOption = Annotated[Path | None, typer.Option(help="The file of users. Default: DLAAS_USERS.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="users")


@group.callback()
def users() -> None:
    """Additional users of the service, besides its own user."""
    try:
        import bcrypt  # noqa: F401 - every command needs it
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error


@group.command()
def add(
    name: NameArgument,
    file: FileOption = None,
    weak: Annotated[bool, typer.Option("--weak", help="Accept a password that is easy to guess.")] = False,
) -> None:
    """
    Add a user, or change the password of a user.

    The command asks for the password twice, or reads a line of standard input. A running service accepts the user at
    once. After a change of the password, existing sessions of the user must log in again.
    """
    from airflow_dlaas.service.config.network_policy import password_weakness
    from airflow_dlaas.service.config.users import MAX_NAME_LENGTH, edit_users, hash_password, is_valid_name

    path = _require_users_file(file)
    if not is_valid_name(name):
        raise NotConfigured(f"A name has 1 to {MAX_NAME_LENGTH} characters, without blanks and colons")
    password = _read_password(name)
    why = None if weak else password_weakness(name, password)
    if why is not None:
        raise NotConfigured(f"The password {why}; choose a better one, or add --weak")
    hashed = hash_password(password)
    with edit_users(path) as known:
        exists = name in known
        known[name] = hashed
    typer.echo(f"{name} has another password now" if exists else f"{name} may log in now")


@group.command()
def remove(name: NameArgument, file: FileOption = None) -> None:
    """Remove a user. A running service refuses the user at once, also with a token; the user's trainings continue."""
    from airflow_dlaas.service.config.users import edit_users, read_users

    path = _require_users_file(file)
    if name not in read_users(path):
        raise NotConfigured(f"There is no user {name} in {path}")
    with edit_users(path) as known:
        known.pop(name, None)
    typer.echo(f"{name} may no longer log in")


@group.command(name="list")
def list_users(file: FileOption = None) -> None:
    """List the users of the file, one a line."""
    from airflow_dlaas.service.config.users import read_users

    for name in read_users(_require_users_file(file)):
        typer.echo(name)


def _require_users_file(file: Path | None) -> Path:
    path = file or read_user_file_path(os.environ)
    if path is None:
        raise NotConfigured("The file of users is not set: set DLAAS_USERS (as for the service), or add --file")
    return path


def _read_password(name: str) -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")
