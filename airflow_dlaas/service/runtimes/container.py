"""Container engines on this machine: finding one that answers, and the removal of a container."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.runtimes.container_engines import ENGINES, ContainerEngine
from airflow_dlaas.service.runtimes.probe_command import command_failure

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


def find_engine(*, timeout: float = ENGINE_TIMEOUT) -> ContainerEngine:
    """
    Return the first engine that can start containers; a client without its daemon cannot.

    :raises HostError: no engine can; the message has the reason of each.
    """
    reasons: list[str] = []
    for engine in ENGINES:
        if (found := shutil.which(engine.name)) is not None:
            if (reason := command_failure([found, engine.check_command], timeout=timeout)) is None:
                return engine(found)
            reasons.append(f"{engine.name}: {reason}")
    if not reasons:
        raise HostError(f"neither {' nor '.join(one.name for one in ENGINES)} is installed")
    raise HostError(f"no container engine answers: {'; '.join(reasons)}")


class EngineCheck:
    """
    Caches whether an engine can start containers, for `AVAILABLE_TTL` or `UNAVAILABLE_TTL` seconds. Thread-safe.

    One thread at a time calls the engine. Meanwhile, other threads get the previous answer, so that an engine that
    hangs does not block all requests.
    """

    def __init__(
        self, find: Callable[[], object] = find_engine, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
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


def installed_engines(path: str | None) -> list[ContainerEngine]:
    """Return all engines in the directories of *path* (None: PATH), whether they answer or not."""
    return [engine(found) for engine in ENGINES if (found := shutil.which(engine.name, path=path)) is not None]


def container_name(training_id: str, attempt: int) -> str:
    """
    Return the name of the container of an attempt. There is one at most: its command is started once.

    An engine that hangs may remove the container of an attempt while the next one runs.
    """
    return f"dlaas-{training_id}" if attempt == 1 else f"dlaas-{training_id}-{attempt}"


def remove_container(engine: ContainerEngine, name: str, *, environment: Mapping[str, str] | None = None) -> str | None:
    """
    Remove the container *name*, running or not; return within `REMOVAL_TIMEOUT` seconds.

    :param environment: the environment variables of the engine; None: those of this process.
    :return: why it could not be removed; None if it no longer exists, never did, or ends with its processes.
    """
    command = engine.removal_command(name)
    if command is None:
        return None
    reason = command_failure(command, timeout=REMOVAL_TIMEOUT, environment=environment)
    return None if reason is None or any(one in reason.lower() for one in ALREADY_REMOVED_PHRASES) else reason
