"""Commands for the file of additional users of the service (DLAAS_USERS)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.output import JsonOption, print_json, print_line
from airflow_dlaas.cli.serve import SERVICE_MISSING
from airflow_dlaas.exceptions import HostError, InvalidArgument, NotConfigured
from airflow_dlaas.service.config.read_settings import read_user_file_path

group = typer.Typer(help="Additional users of the service.", no_args_is_help=True, rich_markup_mode="rich")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
FileOption = Annotated[Path | None, typer.Option(help="The file of users. Default: DLAAS_USERS.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group,
        add,
        examples=(
            "airflow-dlaas users add anna --file users",
            'echo "$PASSWORD" | DLAAS_USERS=users airflow-dlaas users add anna',
        ),
    )
    add_command(group, remove, examples=("airflow-dlaas users remove anna --file users",))
    add_command(
        group,
        list_users,
        name="list",
        examples=("airflow-dlaas users list --file users", "airflow-dlaas users list --file users --json"),
    )
    app.add_typer(
        group,
        name="users",
        rich_help_panel=str(HelpPanel.SERVICE),
        epilog=format_examples("airflow-dlaas users add anna --file users"),
    )


@group.callback()
def users() -> None:
    """Additional users of the service, besides its own user."""
    try:
        import bcrypt  # noqa: F401 - every command needs it
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error


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
        raise InvalidArgument(f"name: a name has 1 to {MAX_NAME_LENGTH} characters, without blanks and colons")
    password = _read_password(name)
    why = None if weak else password_weakness(name, password)
    if why is not None:
        raise InvalidArgument(f"password: it {why}; choose a better one, or add --weak")
    hashed = hash_password(password)
    with edit_users(path) as known:
        exists = name in known
        known[name] = hashed
    print_line(f"{name} has another password now" if exists else f"{name} may log in now")


def remove(name: NameArgument, file: FileOption = None) -> None:
    """Remove a user. A running service refuses the user at once, also with a token; the user's trainings continue."""
    from airflow_dlaas.service.config.users import edit_users, read_users

    path = _require_users_file(file)
    if name not in read_users(path):
        raise InvalidArgument(f"name: There is no user {name} in {path}")
    with edit_users(path) as known:
        known.pop(name, None)
    print_line(f"{name} may no longer log in")


def list_users(file: FileOption = None, as_json: JsonOption = False) -> None:
    """List the users of the file, one a line."""
    from airflow_dlaas.service.config.users import read_users

    names = read_users(_require_users_file(file))
    if as_json:
        print_json({"users": list(names)})
        return
    for name in names:
        print_line(name)


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
