"""Container engines: finding one, the command line that runs a container, and the removal of a container."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airflow_dlaas.contract.resource_report import ResourceAmounts
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.probe_command import command_failure

ENGINES = {"podman": "info", "docker": "version"}
"""
Each engine with a command that fails if no container can be started. The one of docker calls the daemon; the one of
podman, which has no daemon, reads storage and user namespaces. They are tried in this order.
"""

ENGINE_TIMEOUT = 10.0
"""Seconds in which an engine must answer; usually it takes 0.1 s."""

AVAILABLE_TTL = 60.0
"""Seconds for which an engine that answered counts as available. If it stops meanwhile, a training that is submitted
then ends with the engine's reason: its learner checks again."""

UNAVAILABLE_TTL = 10.0
"""Seconds for which an engine that did not answer counts as unavailable, even if it is started meanwhile."""

REMOVAL_TIMEOUT = 60.0
"""Seconds in which an engine must remove a container; the end of the training waits no longer than this."""

ALREADY_REMOVED_PHRASES = ("no such container", "is already in progress")
"""Parts of an engine's message, in lower case, if the container does not exist, or is being removed."""


def find_engine(*, timeout: float = ENGINE_TIMEOUT) -> str:
    """
    Return the path of the first engine that can start containers; a client without its daemon cannot.

    :raises HostError: no engine can; the message has the reason of each.
    """
    reasons: list[str] = []
    for name, command in ENGINES.items():
        if (found := shutil.which(name)) is not None:
            if (reason := command_failure([found, command], timeout=timeout)) is None:
                return found
            reasons.append(f"{name}: {reason}")
    if not reasons:
        raise HostError(f"neither {' nor '.join(ENGINES)} is installed")
    raise HostError(f"no container engine answers: {'; '.join(reasons)}")


class EngineCheck:
    """
    Caches whether an engine can start containers, for `AVAILABLE_TTL` or `UNAVAILABLE_TTL` seconds. Thread-safe.

    One thread at a time calls the engine. Meanwhile, other threads get the previous answer, so that an engine that
    hangs does not block all requests.
    """

    def __init__(self, find: Callable[[], str] = find_engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._find_engine = find
        self._clock = clock
        self._check_lock = threading.Lock()
        self._cached: _CachedCheck | None = None

    def failure_reason(self) -> str | None:
        """Return why no container can be started; None if one can."""
        cached = self._cached
        if cached is None:
            self._check_lock.acquire()
        elif self._clock() < cached.expires_at or not self._check_lock.acquire(blocking=False):
            return cached.failure_reason
        try:
            if (current := self._cached) is None or current is cached:
                self._cached = current = self._check()
            return current.failure_reason
        finally:
            self._check_lock.release()

    def _check(self) -> _CachedCheck:
        try:
            self._find_engine()
        except HostError as error:
            return _CachedCheck(str(error), self._clock() + UNAVAILABLE_TTL)
        return _CachedCheck(None, self._clock() + AVAILABLE_TTL)


@dataclass(frozen=True, slots=True)
class _CachedCheck:
    """An answer of the engine, and when it expires."""

    failure_reason: str | None
    expires_at: float


def installed_engines(path: str | None) -> list[str]:
    """Return the paths of all engines in the directories of *path* (None: PATH), whether they answer or not."""
    return [found for name in ENGINES if (found := shutil.which(name, path=path)) is not None]


def container_name(training_id: str) -> str:
    """Return the name of a training's container. There is one at most: the command of a training is started once."""
    return f"dlaas-{training_id}"


@dataclass(frozen=True, slots=True)
class ContainerRun:
    """A command to run in a container."""

    image: str
    name: str
    command: Sequence[str]
    folders: Sequence[Path]
    """Directories that the container sees at the paths that they have outside, so that the same environment variables
    are valid in both places."""
    workdir: Path
    environment: Mapping[str, str]
    gpus: Sequence[str]
    """Device indices or UUIDs; if empty, no device is visible."""
    user: tuple[int, int]
    """User id and group id of the command; used with docker only."""
    limits: ResourceAmounts = field(default_factory=ResourceAmounts)
    """CPUs, memory and shared memory; an absent amount is not limited."""


def container_command(engine: str, run: ContainerRun) -> list[str]:
    """Return the command line of *run*. The PATH of the image is kept."""
    arguments = [engine, "run", "--rm", f"--name={run.name}", "--init", f"--workdir={run.workdir}"]
    if Path(engine).name == "docker":
        arguments.append(f"--user={run.user[0]}:{run.user[1]}")
        if run.gpus:
            # docker splits the value at commas unless it is quoted.
            arguments.append(f'--gpus="device={",".join(run.gpus)}"')
    else:
        arguments.extend(f"--device=nvidia.com/gpu={one}" for one in run.gpus)
    arguments.extend(limit_arguments(run.limits))
    arguments.extend(f"--volume={folder}:{folder}" for folder in run.folders)
    # The container sees no other devices than `gpus`, and counts them from 0.
    excluded = {"PATH", "CUDA_VISIBLE_DEVICES"}
    arguments.extend(f"--env={key}={value}" for key, value in sorted(run.environment.items()) if key not in excluded)
    return [*arguments, "--entrypoint=", run.image, *run.command]


def limit_arguments(limits: ResourceAmounts) -> list[str]:
    """Return the options of *limits*, the same for all engines. Swap is not used beyond the memory."""
    arguments = [f"--cpus={limits.cpus:g}"] if limits.cpus is not None else []
    if limits.memory is not None:
        arguments += [f"--memory={limits.memory}", f"--memory-swap={limits.memory}"]
    return arguments + ([f"--shm-size={limits.shared_memory}"] if limits.shared_memory is not None else [])


def removal_command(engine: str, name: str) -> list[str]:
    """
    Return the command line that removes the container *name*, running or not. Containers of docker outlive their
    client.
    """
    return [engine, "rm", "--force", name]


def remove_container(engine: str, name: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """
    Remove the container *name*, running or not; return within `REMOVAL_TIMEOUT` seconds.

    :param environment: the environment variables of the engine; None: those of this process.
    :return: why it could not be removed; None if it no longer exists, or never did.
    """
    reason = command_failure(removal_command(engine, name), timeout=REMOVAL_TIMEOUT, environment=environment)
    return None if reason is None or any(one in reason.lower() for one in ALREADY_REMOVED_PHRASES) else reason
