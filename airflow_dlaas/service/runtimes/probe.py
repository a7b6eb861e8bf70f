"""Whether an entry of the catalogue can be used on this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes import prefix, uv, venv
from airflow_dlaas.service.runtimes.catalogue_file import Entry
from airflow_dlaas.service.runtimes.container import find_engine
from airflow_dlaas.service.runtimes.probe_command import failure_of

PROBE_TIMEOUT = 60.0
"""Seconds a probe may take: importing a framework from a cold disk takes ten."""


def engine_failure() -> str | None:
    """Return why no container can be started here; None if one can. The engine is asked each time."""
    try:
        find_engine()
    except HostError as error:
        return str(error)
    return None


def examine(entry: Entry, *, engine: Callable[[], str | None] = engine_failure) -> str | None:
    """
    Say why *entry* cannot be used here, or None. Runs its probe, where it has one.

    :param engine: says why no container can be started here, or None.
    """
    spec = entry.spec(gpus=False)
    path: tuple[Path, ...] = ()
    try:
        match entry.kind:
            case "uv":
                uv.program()
                return None
            case "venv":
                path = venv.path(spec)
            case "prefix":
                path = prefix.path(spec)
            case "container":
                return engine()
    except HostError as error:
        return str(error)
    return _run_probe(entry.probe, path, entry) if entry.probe else None


def _run_probe(probe: str, path: tuple[Path, ...], entry: Entry) -> str | None:
    environment = {
        "PATH": os.pathsep.join([*map(str, path), os.defpath]),
        "LD_LIBRARY_PATH": os.pathsep.join(entry.ld_library_path),
        **entry.env,
    }
    shell = shutil.which("sh") or "/bin/sh"
    reason = failure_of([shell, "-c", probe], timeout=PROBE_TIMEOUT, environment=environment, with_stdout=True)
    return None if reason is None else f"its probe failed: {reason}"
