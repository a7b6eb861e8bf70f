"""The command line that runs a command in a container, as a value: whoever owns the job starts it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_dlaas.errors import HostError

ENGINES = ("podman", "docker")
"""Tried in this order: podman needs no daemon, so a killed learner takes its container along."""


def find_engine() -> str:
    """
    Find the program that runs containers here.

    :raises HostError: there is none.
    """
    for name in ENGINES:
        if (found := shutil.which(name)) is not None:
            return found
    raise HostError(f"neither {' nor '.join(ENGINES)} is installed")


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
    """Remove the container *name*, if it is still there."""
    subprocess.run(
        removal_command(engine, name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
