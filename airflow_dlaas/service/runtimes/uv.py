"""
Environments that uv makes once, and that all trainings with the same requirements share.

The name of an environment is a hash of its contents. It is made in a temporary directory under a lock, marked as
complete, and then renamed: an interrupted one is never used. Later trainings wait neither for the resolver nor for the
network.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.pip_config import with_uv_variables

MARKER_FILE = "dlaas-environment.json"
"""The last file that is written into an environment; it lists the requirements."""

MAX_ERROR_LINES = 6
"""Number of the last lines of uv that an error repeats."""

NETWORK_ERROR_PHRASES = (
    "error sending request",
    "dns error",
    "failed to fetch",
    "connection refused",
    "timed out",
    "network",
)
"""Parts of the output of uv, in lower case, if an index does not answer."""


def find_uv() -> str:
    """
    Return the path of uv: the one of the Python package uv, or else the one on PATH.

    :raises HostError: uv is not installed.
    """
    try:
        from uv import find_uv_bin

        return os.fspath(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise HostError('uv is not installed: pip install "airflow-dlaas[service]" brings it')
    return found


def ensure_environment(
    spec: RuntimeSpec,
    environments_dir: Path,
    on_progress: Callable[[str], None],
    *,
    uv_environ: Mapping[str, str] | None = None,
) -> Path:
    """
    Make the environment of *spec* in *environments_dir* if it does not exist; return its ``bin`` directory.

    If several processes call this at once, one makes the environment and the others wait.

    :param on_progress: called with each line of progress. It is no logger: the lines belong to the training's log, or
        to the output of a command line.
    :param uv_environ: the environment variables of uv; None: those of this process, with the package sources of pip (uv
        does not read the configuration of pip).
    :raises HostError: there is not enough disk space, no network, or no such package; with the last lines of uv.
    """
    environment_dir = environments_dir / environment_name(spec)
    if (environment_dir / MARKER_FILE).exists():
        return environment_dir / "bin"
    environments_dir.mkdir(parents=True, exist_ok=True)
    lock_file = environment_dir.with_name(f"{environment_dir.name}.lock")
    with file_lock(
        lock_file,
        mode=0o644,
        on_wait=lambda: on_progress("Another process is making this environment; waiting for it to finish"),
    ) as lock:
        if not (environment_dir / MARKER_FILE).exists():
            _require_disk_space(spec, environments_dir)
            _create_environment(
                spec,
                environment_dir,
                on_progress,
                with_uv_variables(os.environ) if uv_environ is None else uv_environ,
                lock,
            )
    return environment_dir / "bin"


def has_environment(spec: RuntimeSpec, environments_dir: Path) -> bool:
    """Return whether the environment of *spec* exists."""
    return (environments_dir / environment_name(spec) / MARKER_FILE).exists()


def environment_name(spec: RuntimeSpec) -> str:
    """Return the name of an environment: a hash of everything that decides its contents."""
    python = spec.python or f"{platform.python_version()} {sys.base_prefix}"
    parts = [spec.requirements, spec.otherwise, python, platform.system(), platform.machine()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _create_environment(
    spec: RuntimeSpec,
    environment_dir: Path,
    on_progress: Callable[[str], None],
    uv_environ: Mapping[str, str],
    lock_fd: int,
) -> None:
    uv, temp_dir = find_uv(), environment_dir.with_name(f"{environment_dir.name}.part")
    _remove_folder(temp_dir)
    on_progress(f"Making the environment for {spec.provides}; this happens once")

    def run(*arguments: str) -> list[str] | None:
        return run_uv([uv, *arguments], uv_environ, on_progress, (lock_fd,))

    # Relocatable: the programs in the environment must work after the rename.
    error_lines = run("venv", "--no-project", "--relocatable", "--python", spec.python or sys.executable, str(temp_dir))
    for attempt in install_attempts(spec) if error_lines is None else ():
        error_lines = run("pip", "install", "--python", str(temp_dir / "bin" / "python"), *attempt)
        if error_lines is None or not any("No solution found" in line for line in error_lines):
            break
    if error_lines is not None:
        _remove_folder(temp_dir)
        raise HostError(_failure_message(spec, error_lines))
    made_of = {"provides": spec.provides, "requirements": spec.requirements, "python": spec.python or sys.executable}
    (temp_dir / MARKER_FILE).write_text(json.dumps(made_of, indent=2), encoding="utf-8")
    _remove_folder(environment_dir)
    temp_dir.rename(environment_dir)
    on_progress(f"The environment for {spec.provides} is ready")


def install_attempts(spec: RuntimeSpec) -> Iterator[Sequence[str]]:
    """
    Yield the arguments of ``uv pip install``, in order; the next are used only if the previous packages are not
    available.

    CPU builds of PyTorch (``+cpu``) are in an index of their own. The index or find-links of the site come first, then
    that index, then the requirements that the entry names for this case (`RuntimeSpec.otherwise`).
    """
    if spec.requirements:
        yield spec.requirements
    if any(one.endswith("+cpu") for one in spec.requirements):
        yield ["--torch-backend=cpu", *(one.removesuffix("+cpu") for one in spec.requirements)]
    if spec.otherwise:
        yield spec.otherwise


def run_uv(
    command: Sequence[str],
    uv_environ: Mapping[str, str],
    on_progress: Callable[[str], None],
    lock_fds: Sequence[int] = (),
    *,
    workdir: Path | None = None,
    max_lines: int = MAX_ERROR_LINES,
) -> list[str] | None:
    """
    Run uv and pass its output to *on_progress*; return None if it succeeded, or else its last lines.

    :param lock_fds: descriptors of locks that uv keeps until it ends, also if this process is killed.
    :param max_lines: the number of lines that are returned at most.
    """
    try:
        process = subprocess.Popen(
            command,
            env=dict(uv_environ),
            cwd=workdir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=lock_fds,
        )
    except OSError as error:
        return [f"uv could not be started: {error}"]
    last: list[str] = []
    with process:
        for text in process.stdout or ():
            if text.strip():
                on_progress(text.rstrip())
                last = [*last, text.rstrip()][-max_lines:]
    return None if process.returncode == 0 else last


def _failure_message(spec: RuntimeSpec, output_lines: Sequence[str]) -> str:
    text = "\n".join(output_lines)
    if "No space left" in text:
        why = "the disk is full"
    elif "python-build-standalone" in text or "No interpreter found" in text:
        why = f"Python {spec.python} is not installed on this machine, and uv could not download it"
    elif any(word in text.lower() for word in NETWORK_ERROR_PHRASES):
        why = "the package index does not answer (check the network and the proxy settings)"
    else:
        why = "uv failed"
    return f"The environment for {spec.provides} could not be made: {why}. The last lines of uv:\n{text}"


def _require_disk_space(spec: RuntimeSpec, environments_dir: Path) -> None:
    free = shutil.disk_usage(environments_dir).free
    if free < spec.room:
        raise HostError(
            f"The environment for {spec.provides} needs {spec.room / 1e9:.1f} GB in {environments_dir}, "
            f"and {free / 1e9:.1f} GB are free"
        )


def _remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
