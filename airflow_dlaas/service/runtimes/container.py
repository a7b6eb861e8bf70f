"""Container engines: whether one is here, the command line that runs a command in a container, and its removal."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.probe_command import command_failure

ENGINES = {"podman": "info", "docker": "version"}
"""
Each engine, and its command that fails where no container can be started: docker's asks the daemon, podman's (it has
none) reads storage and user namespaces. Tried in this order.
"""

ENGINE_TIMEOUT = 10.0
"""Seconds in which an engine must answer; it takes a tenth of one."""

AVAILABLE_TTL = 60.0
"""Seconds for which an engine that answered counts as present. A training that is submitted in them although the engine
has gone ends with the engine's reason: its learner asks again."""

UNAVAILABLE_TTL = 10.0
"""Seconds for which an engine that did not answer counts as absent: how long one that was started is overlooked."""

REMOVAL_TIMEOUT = 60.0
"""Seconds in which an engine must remove a container; the training's end does not wait for longer."""

ALREADY_REMOVED_PHRASES = ("no such container", "is already in progress")
"""What an engine says, in lower case, where a container to be removed is not there, or is being removed."""


def find_engine(*, timeout: float = ENGINE_TIMEOUT) -> str:
    """
    Return the path of the first engine that can start containers here: a client without its daemon cannot.

    :raises HostError: none can; the message has each engine's own reason.
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
    Remembers whether an engine can start containers here, for `AVAILABLE_TTL` or `UNAVAILABLE_TTL` seconds. Thread-safe.

    The engine is asked by one thread at a time. While it is asked again, other threads get the previous answer: an
    engine that hangs does not hold up all requests.
    """

    def __init__(self, find: Callable[[], str] = find_engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._find_engine = find
        self._clock = clock
        self._check_lock = threading.Lock()
        self._cached: _CachedCheck | None = None

    def failure_reason(self) -> str | None:
        """Return why no container can be started here; None if one can."""
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
    """An engine's answer, and until when it counts."""

    failure_reason: str | None
    expires_at: float


def installed_engines(path: str | None) -> list[str]:
    """Return the paths of all engines in the folders of *path* (None: of PATH), whether they answer or not."""
    return [found for name in ENGINES if (found := shutil.which(name, path=path)) is not None]


def container_name(training_id: str) -> str:
    """Return the name of a training's container. It has one at most: a training's command is started once."""
    return f"dlaas-{training_id}"


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
    arguments = [engine, "run", "--rm", f"--name={name}", "--init", f"--workdir={workdir}"]
    if Path(engine).name == "docker":
        arguments.append(f"--user={user[0]}:{user[1]}")
        if gpus:
            # docker splits the value at commas unless it is quoted.
            arguments.append(f'--gpus="device={",".join(gpus)}"')
    else:
        arguments.extend(f"--device=nvidia.com/gpu={one}" for one in gpus)
    arguments.extend(f"--volume={folder}:{folder}" for folder in folders)
    # Inside, the devices that were handed in are all there are, and are counted from 0.
    excluded = {"PATH", "CUDA_VISIBLE_DEVICES"}
    arguments.extend(f"--env={key}={value}" for key, value in sorted(environment.items()) if key not in excluded)
    return [*arguments, "--entrypoint=", image, *command]


def removal_command(engine: str, name: str) -> list[str]:
    """Put together what removes the container *name*, running or not: docker's outlive whoever started them."""
    return [engine, "rm", "--force", name]


def remove_container(engine: str, name: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """
    Remove the container *name*, running or not. One that is not there is removed.

    Returns within `REMOVAL_TIMEOUT`.

    :param environment: all that the engine gets of variables; without it, those of this process.
    :return: why it could not be removed; None if it is not there any more.
    """
    reason = command_failure(removal_command(engine, name), timeout=REMOVAL_TIMEOUT, environment=environment)
    return None if reason is None or any(one in reason.lower() for one in ALREADY_REMOVED_PHRASES) else reason
