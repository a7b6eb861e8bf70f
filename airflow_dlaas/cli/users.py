"""Who may log in besides the service's own user: the file that DLAAS_USERS names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.settings import read_user_file_path

group = typer.Typer(help="Who may log in besides the service's own user.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
FileOption = Annotated[Path | None, typer.Option(help="The file of users. Default: DLAAS_USERS.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="users")


@group.callback()
def users() -> None:
    """Who may log in besides the service's own user."""
    try:
        import bcrypt  # noqa: F401 - what all of them need
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error


@group.command()
def add(
    name: NameArgument,
    file: FileOption = None,
    weak: Annotated[bool, typer.Option("--weak", help="Take a password that is easy to guess, too.")] = False,
) -> None:
    """
    Add a user, or give one another password.

    The password is asked for twice, or is a line of standard input. A running service lets the user in at once; after
    a change of password, what was opened with the former has to log in again.
    """
    from airflow_dlaas.service.config.network_policy import password_weakness
    from airflow_dlaas.service.config.users import MAX_NAME_LENGTH, edit_users, hash_password, is_valid_name

    path = _require_users_file(file)
    if not is_valid_name(name):
        raise NotConfigured(f"A name has 1 to {MAX_NAME_LENGTH} characters, without blanks and colons")
    password = _read_password(name)
    why = None if weak else password_weakness(name, password)
    if why is not None:
        raise NotConfigured(f"The password {why}; take a better one, or say --weak")
    hashed = hash_password(password)
    with edit_users(path) as known:
        there = name in known
        known[name] = hashed
    typer.echo(f"{name} has another password now" if there else f"{name} may log in now")


@group.command()
def remove(name: NameArgument, file: FileOption = None) -> None:
    """Remove a user. A running service lets them in no longer, not even with a token; their trainings go on."""
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
        raise NotConfigured("Which file? Set DLAAS_USERS to it (as for the service), or say --file")
    return path


def _read_password(name: str) -> str:
    if sys.stdin.isatty():
        password: str = typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
        return password
    return sys.stdin.readline().rstrip("\r\n")
