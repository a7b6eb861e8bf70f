"""Whether an entry of the catalogue can be used on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from airflow_dlaas.errors import HostError
from airflow_dlaas.service.runtimes import prefix, uv, venv
from airflow_dlaas.service.runtimes.container import find_engine
from airflow_dlaas.service.runtimes.entry import Entry

PROBE_TIMEOUT = 60.0
"""Seconds a probe may take: importing a framework from a cold disk takes ten."""


def examine(entry: Entry) -> str | None:
    """Say why *entry* cannot be used here, or None. Runs its probe, where it has one."""
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
                find_engine()
                return None
    except HostError as error:
        return str(error)
    return _ask(entry.probe, path, entry) if entry.probe else None


def _ask(probe: str, path: tuple[Path, ...], entry: Entry) -> str | None:
    environment = {
        "PATH": os.pathsep.join([*map(str, path), os.defpath]),
        "LD_LIBRARY_PATH": os.pathsep.join(entry.ld_library_path),
        **entry.env,
    }
    shell = shutil.which("sh") or "/bin/sh"
    try:
        done = subprocess.run(
            [shell, "-c", probe],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROBE_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its probe did not end within {PROBE_TIMEOUT:.0f} seconds"
    if done.returncode == 0:
        return None
    said = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return f"its probe failed: {said[-1] if said else f'exit code {done.returncode}'}"
