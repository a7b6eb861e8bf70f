"""Runs learners as processes on this machine."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import ProcessIdentity
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.package_settings import INDEX_PASSWORD_VARIABLE, INDEX_USER_VARIABLE
from airflow_dlaas.service.process.process_info import (
    identify,
    is_alive,
    pids_in_sessions,
    pids_with_env,
    pids_with_output_file,
)
from airflow_dlaas.service.regular_file import open_regular_fd
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.runners.leftover_groups import remove_leftover_groups
from airflow_dlaas.service.runtimes.container import container_name, installed_engines, remove_container
from airflow_dlaas.service.runtimes.container_engines import ContainerEngine

log = logging.getLogger(__name__)

HANDLE_PREFIX = "local:"

LEARNER_MODULE = "airflow_dlaas.service.learner"
"""The module that is the learner's program."""

INHERITED_VARIABLES = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "PYTHONPATH",
    INDEX_USER_VARIABLE,
    INDEX_PASSWORD_VARIABLE,
)
"""Environment variables that a learner inherits from the service. Its command inherits none of them."""

INHERITED_CONTAINER_VARIABLES = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("CONTAINER_HOST", "XDG_RUNTIME_DIR", "REGISTRY_AUTH_FILE"),
    *("APPTAINER_CACHEDIR", "APPTAINER_TMPDIR", "APPTAINER_CONFIGDIR"),
)
"""Further ones: the address and the folders of the container engine. The service's check of the engine and the learner
must agree."""

INHERITED_VARIABLE_PREFIXES = ("LC_", "UV_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Prefixes of further ones: sources of packages, and trusted certificates."""

KILL_TIMEOUT = 5.0
"""Seconds to wait for killed processes to end. A process that hangs in the kernel is not waited for any longer."""

REQUIRED_EMPTY_POLLS = 3
"""Consecutive polls that must find no process: during `execve`, a process has no environment for a moment."""

POLL_INTERVAL = 0.03
"""Seconds between two of these polls."""

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class LocalRunner:
    """
    Starts each learner in a session of its own, so that it survives the end of the service.

    A handle identifies the learner's process by pid, start time and boot. It stays valid after a restart of the
    service, and identifies no other process after a restart of the machine.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = learner_environment(os.environ if environ is None else environ)
        self._children: set[int] = set()

    def start(self, job: JobDirectory) -> str:
        """Start the learner of *job*; see `Runner.start`."""
        self._reap_children()
        logs = job.subdirectory("logs")
        try:
            logs.mkdir(exist_ok=True)
            with _open_log(logs / "learner.log") as output, _sigterm_blocked():
                child = subprocess.Popen(
                    # -P: no module in the job directory replaces one of this package.
                    [sys.executable, "-P", "-m", LEARNER_MODULE, str(job.path)],
                    env=self._environ,
                    cwd=job.path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
        except OSError as error:
            raise HostError(f"The learner could not be started: {error}") from error
        # The learner may outlive this object and this process. It is reaped here, so Popen must not wait for it.
        child.returncode = 0
        self._children.add(child.pid)
        # If the process has already ended, the handle matches no process.
        process = identify(child.pid) or ProcessIdentity(pid=child.pid, start_ticks=0, boot_id="")
        return HANDLE_PREFIX + process.model_dump_json()

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        """Return the liveness of learners; see `Runner.poll`."""
        self._reap_children()
        return {handle: _poll_job(handle, job) for handle, job in jobs.items()}

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        """Request learners to stop; see `Runner.stop`."""
        for handle in handles:
            for process in (_read_owner(jobs[handle]).process, _parse_handle(handle)):
                if process is not None and is_alive(process):
                    _send_signal(process.pid, signal.SIGTERM)
                    break

    def kill_leftovers(self, job: JobDirectory) -> None:
        """
        Kill the processes that *job* has left, and remove its container; see `Runner.kill_leftovers`.

        Without the learner, its processes have no common parent. They are found by the job directory in their
        environment, by their output to the job's pipe (or to its log, in jobs of earlier versions), by a session that
        one of these started, or by the job's control group, which is removed. Without a group, a daemon with none of
        these is not found. A container is found by its name.
        """
        deadline = time.monotonic() + KILL_TIMEOUT
        removals = self._start_container_removals(job)
        empty_polls = 0
        while empty_polls < REQUIRED_EMPTY_POLLS and time.monotonic() < deadline:
            leftover_pids = _leftover_pids(job)
            empty_polls = 0 if leftover_pids else empty_polls + 1
            for pid in leftover_pids:
                _send_signal(pid, signal.SIGKILL)
            time.sleep(POLL_INTERVAL)
        remove_leftover_groups(job)
        for name, thread in removals:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning(
                    "Removing container %s has not ended after %g s (timeout): its engine has not answered; the "
                    "removal continues in the background",
                    name,
                    KILL_TIMEOUT,
                )

    def _start_container_removals(self, job: JobDirectory) -> list[tuple[str, Thread]]:
        """
        Start to remove the container of *job*, in one thread for each installed engine.

        Only the learner knew which engine has it. The dispatcher does not wait for an engine that hangs: it would lose
        its lease, and would begin again with the same training in its next round.
        """
        name = _container_name(job)
        if name is None:
            return []
        removals = []
        for engine in installed_engines(self._environ.get("PATH")):
            thread = Thread(target=self._remove_container, args=(engine, name), name=f"remove {name}", daemon=True)
            thread.start()
            removals.append((name, thread))
        return removals

    def _remove_container(self, engine: ContainerEngine, name: str) -> None:
        if (reason := remove_container(engine, name, environment=self._environ)) is not None:
            log.warning("Removing container %s by %s failed: %s", name, engine.path, reason)

    def _reap_children(self) -> None:
        """Reap learners that have ended, so that they do not stay as zombies."""
        self._children = {pid for pid in self._children if not _has_ended(pid)}


def _open_log(path: Path) -> BinaryIO:
    """
    Open the file for a learner's own output.

    If the learner is started again, the command may have replaced the file, even from its sandbox. A file that cannot
    be opened is not used, and the output is dropped.

    :raises OSError: the disk is full, or the directory is missing.
    """
    try:
        return os.fdopen(open_regular_fd(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
    except OSError as error:
        if not os.path.lexists(path):
            raise
        log.warning("%s cannot be opened (%s); the output of the learner is dropped", path, error.strerror)
        return Path(os.devnull).open("ab")


def learner_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of *environ* that learners inherit: of the settings, only the login at the package index."""
    return {
        name: value
        for name, value in environ.items()
        if name in (*INHERITED_VARIABLES, *INHERITED_CONTAINER_VARIABLES)
        or name.startswith(INHERITED_VARIABLE_PREFIXES)
        or name.lower() in PROXY_VARIABLES
    }


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:
        return True


def _poll_job(handle: str, job: JobDirectory) -> Liveness:
    started = _parse_handle(handle)
    if started is None:
        return Liveness.UNKNOWN
    # First the process, then run.json: a learner that claims the job between the two reads is still seen.
    was_alive = is_alive(started)
    owner = _read_owner(job)
    if not owner.is_readable:  # The learner is the process that was started, if it is still alive.
        return Liveness.ALIVE if was_alive else Liveness.GONE
    if owner.process is not None:
        return Liveness.ALIVE if is_alive(owner.process) else Liveness.GONE
    return Liveness.WAITING if was_alive else Liveness.GONE


@dataclass(frozen=True, slots=True)
class _JobOwner:
    """The process that claimed a job, by its run.json."""

    process: ProcessIdentity | None = None
    """None if no process has claimed the job, or if run.json cannot be read."""
    is_readable: bool = True


def _read_owner(job: JobDirectory) -> _JobOwner:
    try:
        return _JobOwner(read_job_file(job.run, ProcessIdentity))
    except READ_ERRORS:
        return _JobOwner(is_readable=False)


def _container_name(job: JobDirectory) -> str | None:
    """Return the name of the container of *job*; None if it runs in none. If that is unknown, it may have one."""
    try:
        spec = read_job_file(job.spec, JobSpec)
    except READ_ERRORS:
        spec = None
    if spec is None:
        return container_name(job.path.name, 1)
    return container_name(job.path.name, spec.attempt) if spec.runtime.kind == "container" else None


def _leftover_pids(job: JobDirectory) -> set[int]:
    known = {
        *pids_with_env(f"JOB_STATE_DIR={job.path}"),
        *pids_with_output_file(job.output),
        *pids_with_output_file(job.log),
    }
    return {*known, *pids_in_sessions(known)} - {os.getpid()}


def _parse_handle(handle: str) -> ProcessIdentity | None:
    try:
        return ProcessIdentity.model_validate_json(handle.removeprefix(HANDLE_PREFIX))
    except ValueError:
        return None


def _send_signal(pid: int, signum: signal.Signals) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return  # The process has ended meanwhile.


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
    """
    Start a child with SIGTERM blocked.

    It inherits the signal mask of this thread, and unblocks the signal once it handles it. Otherwise a cancel during
    its start would end it before it can write exit.json.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
