"""
The entries of the framework ``python``: plain interpreters, in environments without packages.

The service's own Python always works, also without a network. Other versions are listed as usable only if uv finds them
on this machine: the service downloads no interpreter by itself.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.uv import find_uv

PYTHON = "python"
"""The name of the framework."""

LISTED_VERSIONS = ("3.10", "3.11", "3.12", "3.13")
"""Versions that have an entry, installed or not. The version of the service's own Python always has one."""

FIND_TIMEOUT = 20.0
"""Seconds in which uv must find an interpreter; it takes 0.02 s, and up to 1 s with shims that it has to start."""

ENVIRONMENT_GB = 0.05
"""Gigabytes of an environment without packages: some links and scripts."""


def python_entries(own_version: str | None = None) -> tuple[CatalogueEntry, ...]:
    """
    Return the entries, the service's own Python first. Nothing is called, and no network is needed.

    :param own_version: the complete version of the interpreter that runs the service; None: that of this process.
    """
    complete = own_version or platform.python_version()
    own = ".".join(complete.split(".")[:2])
    entry = CatalogueEntry(
        framework=PYTHON,
        version=own,
        aliases=("3", complete),
        provides=f"Python {complete}",
        kind="uv",
        requirements=(),
        room_gb=ENVIRONMENT_GB,
    )
    others = (
        entry.model_copy(
            update={"version": one, "aliases": (), "provides": f"Python {one}", "python": one, "installed_only": True}
        )
        for one in LISTED_VERSIONS
        if one != own
    )
    return (entry, *others)


def missing_reason(version: str, find: Callable[[str], bool] | None = None) -> str | None:
    """
    Return why no environment of Python *version* can be made without a download; None if one can.

    :param find: returns whether an interpreter is installed; None: call uv.
    :raises HostError: uv is not installed.
    """
    if (find or _is_installed)(version):
        return None
    return (
        f"Python {version} is not installed on the service's machine; the service's user installs it with "
        f"`uv python install {version}`, and then restarts the service"
    )


def _is_installed(version: str) -> bool:
    command = [find_uv(), "python", "find", "--offline", "--no-python-downloads", "--no-project", version]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=FIND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HostError(f"uv could not look for Python {version}: {error}") from error
    return done.returncode == 0
