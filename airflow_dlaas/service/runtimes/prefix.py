"""Programs that the site has installed somewhere: Caffe, Lua Torch."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec


def prefix_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Name the folders its programs lie in.

    :raises HostError: one of them, or one of its libraries' folders, is not there.
    """
    for one in (*spec.path, *spec.ld_library_path):
        if not Path(one).is_dir():
            raise HostError(f"the folder {one} is not there")
    return tuple(Path(one) for one in spec.path)
