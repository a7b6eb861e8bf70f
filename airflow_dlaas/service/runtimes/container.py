"""The command line that runs a command in a container, as a value: whoever owns the job starts it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_dlaas.errors import HostError

ENGINES = {"podman": "info", "docker": "version"}
"""
Each engine, and its command that fails where no container can be started: docker's asks the daemon, podman's (it has
none) reads storage and user namespaces. Tried in this order.
"""

ENGINE_TIMEOUT = 10.0
"""Seconds in which an engine must answer; it takes a tenth of one."""

REMOVAL_TIMEOUT = 60.0
"""Seconds in which an engine must remove a container; the training's end does not wait for longer."""


def find_engine(*, timeout: float = ENGINE_TIMEOUT) -> str:
    """
    Return the path of the first engine that can start containers here: a client without its daemon cannot.

    :raises HostError: none can; the message has each engine's own reason.
    """
    reasons: list[str] = []
    for name, command in ENGINES.items():
        if (found := shutil.which(name)) is not None:
            if (reason := _unusable(found, command, timeout)) is None:
                return found
            reasons.append(f"{name}: {reason}")
    if not reasons:
        raise HostError(f"neither {' nor '.join(ENGINES)} is installed")
    raise HostError(f"no container engine answers: {'; '.join(reasons)}")


def _unusable(engine: str, command: str, timeout: float) -> str | None:
    """Return why *engine* cannot start containers, in its own last words; None if it can."""
    try:
        done = subprocess.run(
            [engine, command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {timeout:g} seconds"
    except OSError as error:
        return f"it cannot be started: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def container_command(
    engine: str,
    *,
    image: str,
    name: str,
    command: Sequence[str],
    folders: Sequence[Path],
    workdir: Path,
    environment: Mapping[str, str],
    gpus: Sequence[str],
    user: tuple[int, int],
) -> list[str]:
    """
    Put together what runs *command* in *image*.

    *folders* appear inside at the paths they have outside, so one environment is right in both places. The image's
    own PATH is kept. *gpus* are device indices or UUIDs; none means no device is visible.
    """
    line = [engine, "run", "--rm", f"--name={name}", "--init", f"--workdir={workdir}"]
    if Path(engine).name == "docker":
        line.append(f"--user={user[0]}:{user[1]}")
        if gpus:
            # docker splits the value at commas unless it is quoted.
            line.append(f'--gpus="device={",".join(gpus)}"')
    else:
        line.extend(f"--device=nvidia.com/gpu={one}" for one in gpus)
    line.extend(f"--volume={folder}:{folder}" for folder in folders)
    # Inside, the devices that were handed in are all there are, and are counted from 0.
    hidden = {"PATH", "CUDA_VISIBLE_DEVICES"}
    line.extend(f"--env={key}={value}" for key, value in sorted(environment.items()) if key not in hidden)
    return [*line, "--entrypoint=", image, *command]


def removal_command(engine: str, name: str) -> list[str]:
    """Put together what removes the container *name*, running or not: docker's outlive whoever started them."""
    return [engine, "rm", "--force", name]


def remove(engine: str, name: str) -> None:
    """Remove the container *name*, if it is still there and the engine answers."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            removal_command(engine, name),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVAL_TIMEOUT,
            check=False,
        )
