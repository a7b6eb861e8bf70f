"""
Environments made by uv, once, and shared by every training that needs the same.

An environment is named by what goes into it. It is made aside under a lock, marked as whole, and then put in
place: one that was interrupted is never used. Trainings never wait for a resolver again, nor for the network.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.pip_config import with_uv_variables

MARKER_FILE = "dlaas-environment.json"
"""Written last into an environment: what it was made of."""

MAX_ERROR_LINES = 6
"""How many of uv's last lines an error repeats."""

NETWORK_ERROR_PHRASES = (
    "error sending request",
    "dns error",
    "failed to fetch",
    "connection refused",
    "timed out",
    "network",
)
"""What uv says, in lower case, when an index does not answer."""


def find_uv() -> str:
    """
    Find uv: the package's own, else the one on PATH.

    :raises HostError: there is none.
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
    say: Callable[[str], None],
    *,
    uv_environ: Mapping[str, str] | None = None,
) -> Path:
    """
    Make the environment of *spec* in the folder *environments_dir* if it is not there, and name its ``bin`` folder.

    Of several processes that ask at once, one makes it and the others wait. *uv_environ* is the environment uv runs
    in, by default this process's with pip's sources added (uv reads no pip configuration of its own).

    :raises HostError: no disk space, no network, or no such packages; with uv's last lines.
    """
    environment_dir = environments_dir / environment_name(spec)
    if (environment_dir / MARKER_FILE).exists():
        return environment_dir / "bin"
    environments_dir.mkdir(parents=True, exist_ok=True)
    with _exclusive_lock(environment_dir.with_name(f"{environment_dir.name}.lock"), say) as lock:
        if not (environment_dir / MARKER_FILE).exists():
            _require_disk_space(spec, environments_dir)
            _create_environment(
                spec, environment_dir, say, with_uv_variables(os.environ) if uv_environ is None else uv_environ, lock
            )
    return environment_dir / "bin"


def has_environment(spec: RuntimeSpec, environments_dir: Path) -> bool:
    """Whether the environment of *spec* is there already."""
    return (environments_dir / environment_name(spec) / MARKER_FILE).exists()


def environment_name(spec: RuntimeSpec) -> str:
    """Name an environment by everything that decides what is in it."""
    python = spec.python or f"{platform.python_version()} {sys.base_prefix}"
    parts = [spec.requirements, spec.otherwise, python, platform.system(), platform.machine()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _create_environment(
    spec: RuntimeSpec, environment_dir: Path, say: Callable[[str], None], uv_environ: Mapping[str, str], lock_fd: int
) -> None:
    uv, temp_dir = find_uv(), environment_dir.with_name(f"{environment_dir.name}.part")
    _remove_folder(temp_dir)
    say(f"Making the environment for {spec.provides}; this happens once")

    def run(*arguments: str) -> list[str] | None:
        return _run_uv([uv, *arguments], uv_environ, say, lock_fd)

    # Relocatable: the environment's own programs must work after the rename.
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
    say(f"The environment for {spec.provides} is ready")


def install_attempts(spec: RuntimeSpec) -> Iterator[Sequence[str]]:
    """
    Give what to ask uv for, in order; the next is tried only where the one before is not to be had.

    PyTorch's CPU builds (``+cpu``) lie in an index of its own. A site that has them in its index or find-links is
    served from there; else uv is told to look there; else comes what the entry names for that case.
    """
    yield spec.requirements
    if any(one.endswith("+cpu") for one in spec.requirements):
        yield ["--torch-backend=cpu", *(one.removesuffix("+cpu") for one in spec.requirements)]
    if spec.otherwise:
        yield spec.otherwise


def _run_uv(
    command: Sequence[str], uv_environ: Mapping[str, str], say: Callable[[str], None], lock_fd: int
) -> list[str] | None:
    """Run uv, repeating what it says; None when it did what was asked, else its last lines."""
    try:
        process = subprocess.Popen(
            command,
            env=dict(uv_environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Should this process be killed, uv keeps the lock for as long as it goes on writing.
            pass_fds=(lock_fd,),
        )
    except OSError as error:
        return [f"uv could not be started: {error}"]
    last: list[str] = []
    with process:
        for text in process.stdout or ():
            if text.strip():
                say(text.rstrip())
                last = [*last[-MAX_ERROR_LINES:], text.rstrip()]
    return None if process.returncode == 0 else last


def _failure_message(spec: RuntimeSpec, output_lines: Sequence[str]) -> str:
    text = "\n".join(output_lines)
    if "No space left" in text:
        why = "the disk is full"
    elif any(word in text.lower() for word in NETWORK_ERROR_PHRASES):
        why = "the package index does not answer (is there a network? a proxy to be set?)"
    else:
        why = "uv failed"
    return f"The environment for {spec.provides} could not be made: {why}. uv's last lines:\n{text}"


def _require_disk_space(spec: RuntimeSpec, environments_dir: Path) -> None:
    free = shutil.disk_usage(environments_dir).free
    if free < spec.room:
        raise HostError(
            f"The environment for {spec.provides} needs {spec.room / 1e9:.1f} GB in {environments_dir}, "
            f"and {free / 1e9:.1f} GB are free"
        )


@contextmanager
def _exclusive_lock(path: Path, say: Callable[[str], None]) -> Iterator[int]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Somebody else is making this environment; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def _remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
