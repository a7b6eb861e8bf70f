"""An environment the site has made itself."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec


def venv_bin_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Name the environment's ``bin`` folder.

    :raises HostError: there is no Python in it.
    """
    folder = Path(spec.python or "")
    if not folder.is_absolute() or not any((folder / name).exists() for name in ("python3", "python")):
        raise HostError(f"there is no Python in {folder}, the environment's bin folder")
    return (folder,)
