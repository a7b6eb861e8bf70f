"""Learners as processes of this machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import UNREADABLE, JobFolder, RunMark, Spec, read_mark
from airflow_dlaas.service.process.process_info import alive, carrying, identify, of_sessions, speaking_into
from airflow_dlaas.service.regular_file import open_regular
from airflow_dlaas.service.runners.base import Sighting
from airflow_dlaas.service.runtimes.container import container_name, installed_engines, remove

log = logging.getLogger(__name__)

PREFIX = "local:"

LEARNER = "airflow_dlaas.service.learner"
"""The program a learner runs."""

NOBODY = RunMark(pid=0, start_ticks=0, boot_id="")
"""Who the learner was where its mark can't be read: nobody that is still there."""

HANDED_ON = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "PYTHONPATH")
"""Variables a learner gets of the service's. The command it runs gets none of them."""

HANDED_ON_FOR_CONTAINERS = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("CONTAINER_HOST", "XDG_RUNTIME_DIR"),
)
"""The same: where a container engine is reached. The service's check of the engine and the learner's must agree."""

HANDED_ON_BY_START = ("LC_", "UV_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The same, by how their names begin: where packages come from, and whose certificates are trusted."""

CLEARED_WITHIN = 5.0
"""Seconds that killed processes may take to vanish; one that hangs in the kernel is left to itself."""

EMPTY_LOOKS = 3
"""Looks in a row that must find no process: within `execve` a process has no environment for a moment."""

LOOK_PAUSE = 0.03
"""Seconds between two of these looks."""

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class LocalRunner:
    """
    Starts each learner in a session of its own, so it outlives the service.

    A handle names the learner's process, by pid, start time and boot: it means the same after a restart of the service,
    and nothing else after a restart of the machine.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = learner_environment(os.environ if environ is None else environ)
        self._children: set[int] = set()

    def start(self, job: JobFolder) -> str:
        """Start the learner of *job*; see `Runner.start`."""
        self._reap()
        logs = job.folder("logs")
        try:
            logs.mkdir(exist_ok=True)
            with _open_log(logs / "learner.log") as output, _term_held_back():
                child = subprocess.Popen(
                    # -P: no module of the job's may stand in for one of ours.
                    [sys.executable, "-P", "-m", LEARNER, str(job.path)],
                    env=self._environ,
                    cwd=job.path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            raise HostError(f"The learner could not be started: {error}") from error
        # It may outlive this object and this process: it is reaped here, and none of Popen's concern any more.
        child.returncode = 0
        self._children.add(child.pid)
        # One that is gone already gets a mark that fits no process.
        mark = identify(child.pid) or RunMark(pid=child.pid, start_ticks=0, boot_id="")
        return PREFIX + mark.model_dump_json()

    def look(self, jobs: Mapping[str, JobFolder]) -> Mapping[str, Sighting]:
        """See how the learners are doing; see `Runner.look`."""
        self._reap()
        return {handle: _look(handle, job) for handle, job in jobs.items()}

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobFolder]) -> None:
        """Ask learners to stop; see `Runner.stop`."""
        for handle in handles:
            for mark in (_owner(jobs[handle]), _read_handle(handle)):
                if mark is not None and alive(mark):
                    _send(mark.pid, signal.SIGTERM)
                    break

    def clear(self, job: JobFolder) -> None:
        """
        End what is left of *job*; see `Runner.clear`.

        With the learner gone its processes are nobody's children. They are known by the job's folder in their
        environment, by writing to the job's pipe (or to its log, in jobs of earlier versions), or by a session that was
        begun by one of these. A daemon that has left all of them behind is not found. A container is known by its name.
        """
        until = time.monotonic() + CLEARED_WITHIN
        removals = self._remove_containers(job)
        empty_looks = 0
        while empty_looks < EMPTY_LOOKS and time.monotonic() < until:
            left = _left(job)
            empty_looks = 0 if left else empty_looks + 1
            for pid in left:
                _send(pid, signal.SIGKILL)
            time.sleep(LOOK_PAUSE)
        for name, one in removals:
            one.join(max(0.0, until - time.monotonic()))
            if one.is_alive():
                log.warning("Container %s is not removed after %g s; its engine has not answered", name, CLEARED_WITHIN)

    def _remove_containers(self, job: JobFolder) -> list[tuple[str, Thread]]:
        """
        Begin to remove the container of *job*, in a thread for each engine that is installed.

        Which of them has it, only the learner knew. One that hangs is left to its thread: the dispatcher would lose its
        lease if it waited, and would begin again with the same training in its next round.
        """
        if not _may_have_container(job):
            return []
        name = container_name(job.path.name)
        begun = []
        for engine in installed_engines(self._environ.get("PATH")):
            thread = Thread(target=self._remove_container, args=(engine, name), name=f"remove {name}", daemon=True)
            thread.start()
            begun.append((name, thread))
        return begun

    def _remove_container(self, engine: str, name: str) -> None:
        if (reason := remove(engine, name, environment=self._environ)) is not None:
            log.warning("Container %s could not be removed by %s: %s", name, engine, reason)

    def _reap(self) -> None:
        """Let no zombie stand around."""
        self._children = {pid for pid in self._children if not _has_ended(pid)}


def _open_log(path: Path) -> BinaryIO:
    """
    Open what a learner prints to; a second start may find what the command has put there, even from its sandbox.

    :raises OSError: the disk is full, or the folder is not there.
    """
    try:
        return os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
    except OSError as error:
        if not os.path.lexists(path):
            raise
        log.warning("%s is not used, the learner's output is dropped: %s", path, error.strerror)
        return Path(os.devnull).open("ab")


def learner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Choose what of the service's environment its learners get: none of its settings, no secret of its own."""
    return {
        name: value
        for name, value in environ.items()
        if name in (*HANDED_ON, *HANDED_ON_FOR_CONTAINERS)
        or name.startswith(HANDED_ON_BY_START)
        or name.lower() in PROXIES
    }


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        return True


def _look(handle: str, job: JobFolder) -> Sighting:
    started = _read_handle(handle)
    if started is None:
        return Sighting.UNKNOWN
    # First the process, then its mark: one that takes the job between the two looks is still seen.
    there = alive(started)
    owner = _owner(job)
    if owner is NOBODY:  # run.json cannot be read: the process that was started is the learner, if it is still there
        return Sighting.ALIVE if there else Sighting.GONE
    if owner is not None:
        return Sighting.ALIVE if alive(owner) else Sighting.GONE
    return Sighting.WAITING if there else Sighting.GONE


def _owner(job: JobFolder) -> RunMark | None:
    try:
        return read_mark(job.run, RunMark)
    except UNREADABLE:
        return NOBODY


def _may_have_container(job: JobFolder) -> bool:
    """Return whether *job* runs in a container, as far as that is known."""
    try:
        spec = read_mark(job.spec, Spec)
    except UNREADABLE:
        return True
    return spec is None or spec.runtime.kind == "container"


def _left(job: JobFolder) -> set[int]:
    known = {*carrying(f"JOB_STATE_DIR={job.path}"), *speaking_into(job.output), *speaking_into(job.log)}
    return {*known, *of_sessions(known)} - {os.getpid()}


def _read_handle(handle: str) -> RunMark | None:
    try:
        return RunMark.model_validate_json(handle.removeprefix(PREFIX))
    except ValueError:
        return None


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # It ended this very moment.


@contextmanager
def _term_held_back() -> Iterator[None]:
    """
    Let a child begin with SIGTERM held back.

    It inherits that from this thread, and takes the signal when it can hear it. Else a cancel in its first moments
    would end it before it can leave word.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
