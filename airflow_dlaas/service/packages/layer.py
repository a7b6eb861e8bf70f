"""
Environments of packages: one for each lock, on top of a runtime, shared by all trainings with that lock.

One is made in a temporary folder under a lock, marked as complete, and then renamed: an interrupted one is never used.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.service.job_files import remove_folder
from airflow_dlaas.service.packages.index_access import UvRunner
from airflow_dlaas.service.packages.virtual_env import chain_virtual_env, make_virtual_env, read_prefix
from airflow_dlaas.service.runtimes.uv import MARKER_FILE

TEMPORARY_PREFIX = "resolve."
"""Beginning of the names of temporary folders beside the environments."""

COMPILE_TIMEOUT = 600.0
"""Seconds to compile the bytecode of an environment; without it, each sandboxed training compiles it for itself."""


def is_complete(environment: Path) -> bool:
    """Return whether *environment* is there, complete."""
    return (environment / MARKER_FILE).is_file()


def ensure_layer(environment: Path, lock: str, runtime_bin: Path, runner: UvRunner, *, allow_build: bool) -> bool:
    """
    Make *environment*, with the packages of *lock* on top of the runtime, if it does not exist.

    Return whether this call made it. If several processes call this at once, one makes it and the others wait.

    :raises RequirementsRefused, HostError, OSError: it could not be made; nothing is left of it.
    """
    if is_complete(environment):
        return False
    with file_lock(
        environment.with_name(f"{environment.name}.lock"),
        on_wait=lambda: runner.on_progress("Another training installs these packages; waiting for it to finish"),
    ) as lock_fd:
        if is_complete(environment):
            return False
        part = environment.with_name(f"{environment.name}.part")
        remove_folder(part)
        try:
            _make_layer(part, lock, runtime_bin, runner, lock_fd, allow_build=allow_build)
            remove_folder(environment)
            part.rename(environment)
        except BaseException:
            remove_folder(part)
            raise
    return True


def _make_layer(part: Path, lock: str, runtime_bin: Path, runner: UvRunner, lock_fd: int, *, allow_build: bool) -> None:
    below = read_prefix(runtime_bin)
    site_folder = make_virtual_env(part, below)
    locked = part / "requirements.lock"
    locked.write_text(lock, encoding="utf-8")
    arguments = ["pip", "install", "--no-deps", "--python", str(part / "bin" / "python")]
    arguments += [] if allow_build else ["--no-build"]
    arguments += ["--no-index"] if runner.offline else []
    count = sum(not line.startswith("-") for line in lock.splitlines())
    runner.on_progress(f"Installing {count} package{'' if count == 1 else 's'}; this happens once for these versions")
    what = "The packages of the training could not be installed"
    runner.run(what, *arguments, "-r", str(locked), lock_fds=(lock_fd,), workdir=part)
    _compile_bytecode(part, site_folder)
    chain_virtual_env(part, below)
    made_of = {"requirements": lock.splitlines(), "runtime": str(runtime_bin), "size": folder_size(part)}
    (part / MARKER_FILE).write_text(json.dumps(made_of, indent=2), encoding="utf-8")


def _compile_bytecode(part: Path, site_folder: Path) -> None:
    """Compile the packages. Without ``site`` (-S), no code of a package runs."""
    line = [str(part / "bin" / "python"), "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(site_folder)]
    try:
        subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMPILE_TIMEOUT,
            check=False,  # a package may include files of another Python
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # slower imports, and nothing else


def folder_size(folder: Path) -> int:
    """Return the bytes of the files in *folder*; links count as themselves."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(root) / name).st_size
            except OSError:  # noqa: PERF203 - removed meanwhile
                continue
    return total
