"""Runtimes of kind ``prefix``: programs that the site has installed, such as Caffe and Lua Torch."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec


def prefix_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Return the directories of the programs.

    :raises HostError: one of them, or one of the library directories, does not exist.
    """
    for one in (*spec.path, *spec.ld_library_path):
        if not Path(one).is_dir():
            raise HostError(f"the directory {one} does not exist")
    return tuple(Path(one) for one in spec.path)
