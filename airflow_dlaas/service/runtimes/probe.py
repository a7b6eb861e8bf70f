"""Checks whether an entry of the catalogue can be used on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes import prefix, uv, venv
from airflow_dlaas.service.runtimes.catalogue_file import CatalogueEntry
from airflow_dlaas.service.runtimes.container import find_engine
from airflow_dlaas.service.runtimes.probe_command import command_failure
from airflow_dlaas.service.runtimes.python_runtimes import missing_reason

PROBE_TIMEOUT = 60.0
"""Seconds that a probe may take: importing a framework takes ten if the disk cache is empty."""


def check_engine() -> str | None:
    """Return why no container can be started; None if one can. This calls the engine each time."""
    try:
        find_engine()
    except HostError as error:
        return str(error)
    return None


def check_entry(entry: CatalogueEntry, *, engine_check: Callable[[], str | None] = check_engine) -> str | None:
    """
    Return why *entry* cannot be used on this machine, or None. Runs its probe, if it has one.

    :param engine_check: returns why no container can be started, or None.
    """
    spec = entry.to_spec(has_gpus=False)
    path: tuple[Path, ...] = ()
    try:
        match entry.kind:
            case "uv":
                uv.find_uv()
                return missing_reason(entry.python) if entry.installed_only and entry.python else None
            case "venv":
                path = venv.venv_bin_folders(spec)
            case "prefix":
                path = prefix.prefix_folders(spec)
            case "container":
                return engine_check()
    except HostError as error:
        return str(error)
    return _run_probe(entry.probe, path, entry) if entry.probe else None


def _run_probe(probe: str, path: tuple[Path, ...], entry: CatalogueEntry) -> str | None:
    environment = {
        "PATH": os.pathsep.join([*map(str, path), os.defpath]),
        "LD_LIBRARY_PATH": os.pathsep.join(entry.ld_library_path),
        **entry.env,
    }
    shell = shutil.which("sh") or "/bin/sh"
    reason = command_failure([shell, "-c", probe], timeout=PROBE_TIMEOUT, environment=environment, include_stdout=True)
    return None if reason is None else f"its probe failed: {reason}"
