"""From a `RuntimeSpec` to what the command's environment needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes import container, prefix, uv, venv

SHIMS_DIR = Path(__file__).parent / "shims"


@dataclass(frozen=True, slots=True)
class RuntimePaths:
    """Folders to put in front of PATH, PYTHONPATH and LD_LIBRARY_PATH."""

    path: tuple[Path, ...] = ()
    python_path: tuple[Path, ...] = ()
    library_path: tuple[Path, ...] = ()


def provision_runtime(spec: RuntimeSpec, environments_dir: Path, say: Callable[[str], None]) -> RuntimePaths:
    """
    Provide what *spec* names; *say* hears of progress, a line at a time.

    Only kind ``uv`` can take long, and only the first time (`airflow_dlaas.service.runtimes.uv.ensure`).

    :raises HostError: it is not to be had on this machine.
    """
    match spec.kind:
        case "uv":
            path: tuple[Path, ...] = (uv.ensure_environment(spec, environments_dir, say),)
        case "venv":
            path = venv.venv_bin_folders(spec)
        case "prefix":
            path = prefix.prefix_folders(spec)
        case "container":
            container.find_engine()
            path = ()
        case other:
            raise HostError(f"The runtime {spec.key} is of kind {other}, which this version does not know")
    return RuntimePaths(
        path=path, python_path=shim_folders(spec), library_path=tuple(Path(one) for one in spec.ld_library_path)
    )


def shim_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Name the folder of the compatibility layer that *spec* asks for.

    :raises HostError: there is no such layer.
    """
    if spec.shim is None:
        return ()
    folder = SHIMS_DIR / spec.shim
    if not (folder / "sitecustomize.py").is_file():
        raise HostError(f"The runtime {spec.key} asks for the layer {spec.shim}, which this version does not have")
    return (folder,)
