"""The values of secrets: from the environment of the console, or typed in. A command line is visible to all users."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from getpass import getpass

from airflow_dlaas.cli.definition_secrets import ENVIRONMENT_PREFIX
from airflow_dlaas.exceptions import InvalidArgument

WAY_OUT = "--secret NAME takes the variable NAME of this shell, and --secret NAME=env:OTHER the variable OTHER"


def read_secrets(
    values: Iterable[str], environ: Mapping[str, str], ask: Callable[[str], str] | None = None
) -> dict[str, str]:
    """
    Return the secrets of ``--secret NAME`` and ``--secret NAME=env:OTHER``, from *environ*.

    :param ask: asks for the value of a variable that *environ* does not have; by default in the terminal, without an
        echo. Without a terminal, such a variable is an error.
    :raises InvalidArgument: a variable is missing, or a value is on the command line. The message has no value.
    """
    if ask is None and sys.stdin.isatty():
        ask = _ask_in_terminal
    found: dict[str, str] = {}
    for text in values:
        name, equals, reference = text.partition("=")
        if equals and not reference.startswith(ENVIRONMENT_PREFIX):
            raise InvalidArgument(f"--secret {name}: a value on the command line is no secret: {WAY_OUT}")
        if not name:
            raise InvalidArgument(f"--secret: the name is missing: {WAY_OUT}")
        if name in found:
            raise InvalidArgument(f"--secret: {name} is given twice")
        variable = reference.removeprefix(ENVIRONMENT_PREFIX) if equals else name
        if variable in environ:
            found[name] = environ[variable]
        elif ask is not None and not equals:
            found[name] = ask(name)
        else:
            raise InvalidArgument(f"--secret {name}: this shell has no variable {variable or '(empty)'}: export it")
    return found


def _ask_in_terminal(name: str) -> str:
    return getpass(f"{name}: ")
