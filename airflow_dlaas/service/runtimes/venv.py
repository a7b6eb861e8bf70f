"""Runtimes of kind ``venv``: virtual environments that the site has made."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec


def venv_bin_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Return the ``bin`` directory of the environment.

    :raises HostError: the path is not absolute, or no Python is in it.
    """
    folder = Path(spec.python or "")
    if not folder.is_absolute() or not any((folder / name).exists() for name in ("python3", "python")):
        raise HostError(f"there is no Python in {folder}, the bin directory of the environment")
    return (folder,)
