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
from airflow_dlaas.service.job_files import RuntimeSpec
from airflow_dlaas.service.runtimes.pip_config import as_uv_settings

MARKER = "dlaas-environment.json"
"""Written last into an environment: what it was made of."""

LAST_LINES = 6
"""How many of uv's last lines an error repeats."""

NO_NETWORK = ("error sending request", "dns error", "failed to fetch", "connection refused", "timed out", "network")
"""What uv says, in lower case, when an index does not answer."""


def program() -> str:
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


def ensure(
    spec: RuntimeSpec, environments: Path, say: Callable[[str], None], *, settings: Mapping[str, str] | None = None
) -> Path:
    """
    Make the environment of *spec* in the folder *environments* if it is not there, and name its ``bin`` folder.

    Of several processes that ask at once, one makes it and the others wait. *settings* is the environment uv runs
    in, by default this process's with pip's sources added (uv reads no pip configuration of its own).

    :raises HostError: no disk space, no network, or no such packages; with uv's last lines.
    """
    home = environments / environment_name(spec)
    if (home / MARKER).exists():
        return home / "bin"
    environments.mkdir(parents=True, exist_ok=True)
    with _locked(home.with_name(f"{home.name}.lock"), say) as lock:
        if not (home / MARKER).exists():
            _check_room(spec, environments)
            _make(spec, home, say, as_uv_settings(os.environ) if settings is None else settings, lock)
    return home / "bin"


def ready(spec: RuntimeSpec, environments: Path) -> bool:
    """Whether the environment of *spec* is there already."""
    return (environments / environment_name(spec) / MARKER).exists()


def environment_name(spec: RuntimeSpec) -> str:
    """Name an environment by everything that decides what is in it."""
    python = spec.python or f"{platform.python_version()} {sys.base_prefix}"
    parts = [spec.requirements, spec.otherwise, python, platform.system(), platform.machine()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _make(spec: RuntimeSpec, home: Path, say: Callable[[str], None], settings: Mapping[str, str], lock: int) -> None:
    uv, aside = program(), home.with_name(f"{home.name}.part")
    _remove(aside)
    say(f"Making the environment for {spec.provides}; this happens once")

    def run(*arguments: str) -> list[str] | None:
        return _run([uv, *arguments], settings, say, lock)

    # Relocatable: the environment's own programs must work after the rename.
    said = run("venv", "--no-project", "--relocatable", "--python", spec.python or sys.executable, str(aside))
    for attempt in attempts(spec) if said is None else ():
        said = run("pip", "install", "--python", str(aside / "bin" / "python"), *attempt)
        if said is None or not any("No solution found" in line for line in said):
            break
    if said is not None:
        _remove(aside)
        raise HostError(_put(spec, said))
    made_of = {"provides": spec.provides, "requirements": spec.requirements, "python": spec.python or sys.executable}
    (aside / MARKER).write_text(json.dumps(made_of, indent=2), encoding="utf-8")
    _remove(home)
    aside.rename(home)
    say(f"The environment for {spec.provides} is ready")


def attempts(spec: RuntimeSpec) -> Iterator[Sequence[str]]:
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


def _run(line: Sequence[str], settings: Mapping[str, str], say: Callable[[str], None], lock: int) -> list[str] | None:
    """Run uv, repeating what it says; None when it did what was asked, else its last lines."""
    try:
        process = subprocess.Popen(
            line,
            env=dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            # Should this process be killed, uv keeps the lock for as long as it goes on writing.
            pass_fds=(lock,),
        )
    except OSError as error:
        return [f"uv could not be started: {error}"]
    last: list[str] = []
    with process:
        for text in process.stdout or ():
            if text.strip():
                say(text.rstrip())
                last = [*last[-LAST_LINES:], text.rstrip()]
    return None if process.returncode == 0 else last


def _put(spec: RuntimeSpec, said: Sequence[str]) -> str:
    text = "\n".join(said)
    if "No space left" in text:
        why = "the disk is full"
    elif any(word in text.lower() for word in NO_NETWORK):
        why = "the package index does not answer (is there a network? a proxy to be set?)"
    else:
        why = "uv failed"
    return f"The environment for {spec.provides} could not be made: {why}. uv's last lines:\n{text}"


def _check_room(spec: RuntimeSpec, environments: Path) -> None:
    free = shutil.disk_usage(environments).free
    if free < spec.room:
        raise HostError(
            f"The environment for {spec.provides} needs {spec.room / 1e9:.1f} GB in {environments}, "
            f"and {free / 1e9:.1f} GB are free"
        )


@contextmanager
def _locked(path: Path, say: Callable[[str], None]) -> Iterator[int]:
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


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
