"""
The settings of the client commands: which service they call, with which login.

This module imports the other settings only where one of their variables is set, because the console waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ENV_PREFIX = "DLAAS_"

CLIENT_SETTINGS = ("home", "url", "user", "password", "tls_ca")
"""The settings that client commands read."""


@dataclass(frozen=True)
class ClientSettings:
    """The service that the client commands of the command line call, and their login."""

    url: str
    user: str
    password: str = field(repr=False)
    verify: bool | str = True
    """Whether to check the service's certificate; a path is that of the authorities to trust."""


def default_home() -> Path:
    """Return the data directory where none is set."""
    return Path("~/.airflow-dlaas").expanduser()


def parse_path(value: str) -> Path:
    """Parse the path of a file or a folder and make it absolute; ``~`` is the user's home directory."""
    return Path(value).expanduser().absolute()


def read_client_settings(environment: Mapping[str, str], home: str | None = None) -> tuple[Path, dict[str, str]]:
    """
    Read the settings of the client commands: the data directory with the credentials, and values that replace them.

    The second is a dict with any of ``url``, ``user``, ``password`` and ``tls_ca``.

    :param home: the data directory, if it is not to be taken from *environment*.
    :raises NotConfigured: a variable is unknown.
    """
    variables = {ENV_PREFIX + name.upper(): name for name in CLIENT_SETTINGS}
    set_variables = {name: value for name, value in environment.items() if name.startswith(ENV_PREFIX) and value}
    if set_variables.keys() - variables.keys():
        from airflow_dlaas.service.config.read_settings import read_environment

        read_environment(environment)
    given = {variables[name]: value for name, value in set_variables.items() if name in variables}
    folder = home or given.pop("home", None)
    overrides: dict[str, str] = {name: given[name] for name in ("url", "user", "password") if name in given}
    if "tls_ca" in given:
        overrides["tls_ca"] = str(parse_path(given["tls_ca"].strip()))
    return parse_path(folder.strip()) if folder else default_home(), overrides
