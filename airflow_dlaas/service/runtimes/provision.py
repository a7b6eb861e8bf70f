"""Provides a `RuntimeSpec` as directories for the environment of the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes import container, prefix, uv, venv
from airflow_dlaas.service.runtimes.container_engines import ContainerEngine

SHIMS_DIR = Path(__file__).parent / "shims"


@dataclass(frozen=True, slots=True)
class RuntimePaths:
    """Directories to prepend to PATH, PYTHONPATH and LD_LIBRARY_PATH."""

    path: tuple[Path, ...] = ()
    python_path: tuple[Path, ...] = ()
    library_path: tuple[Path, ...] = ()
    engine: ContainerEngine | None = None
    """The engine that runs the command, of kind ``container``."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of the command, besides these paths."""


def provision_runtime(spec: RuntimeSpec, environments_dir: Path, on_progress: Callable[[str], None]) -> RuntimePaths:
    """
    Provide the runtime of *spec*.

    Only kind ``uv`` can take long, and only the first time (`airflow_dlaas.service.runtimes.uv.ensure_environment`).

    :param on_progress: called with each line of progress. It is no logger: the lines belong to the training's log, or
        to the output of a command line.
    :raises HostError: the runtime is not available on this machine.
    """
    engine: ContainerEngine | None = None
    match spec.kind:
        case "uv":
            path: tuple[Path, ...] = (uv.ensure_environment(spec, environments_dir, on_progress),)
        case "venv":
            path = venv.venv_bin_folders(spec)
        case "prefix":
            path = prefix.prefix_folders(spec)
        case "container":
            path, engine = (), container.find_engine()
        case other:
            raise HostError(
                f"The runtime {spec.key} is of kind {other}, which this version of the service does not support"
            )
    return RuntimePaths(
        path=path,
        python_path=shim_folders(spec),
        library_path=tuple(Path(one) for one in spec.ld_library_path),
        engine=engine,
    )


def shim_folders(spec: RuntimeSpec) -> tuple[Path, ...]:
    """
    Return the directory of the compatibility layer of *spec*, if it has one.

    :raises HostError: the layer does not exist.
    """
    if spec.shim is None:
        return ()
    folder = SHIMS_DIR / spec.shim
    if not (folder / "sitecustomize.py").is_file():
        raise HostError(f"The runtime {spec.key} needs the compatibility layer {spec.shim}, which does not exist here")
    return (folder,)
