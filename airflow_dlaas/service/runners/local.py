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
from airflow_dlaas.service.job_files import READ_ERRORS, JobDirectory, ProcessIdentity, read_job_file
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.process.process_info import (
    identify,
    is_alive,
    pids_in_sessions,
    pids_with_env,
    pids_with_output_file,
)
from airflow_dlaas.service.regular_file import open_regular_fd
from airflow_dlaas.service.runners.base import Liveness
from airflow_dlaas.service.runtimes.container import container_name, installed_engines, remove_container

log = logging.getLogger(__name__)

HANDLE_PREFIX = "local:"

LEARNER_MODULE = "airflow_dlaas.service.learner"
"""The program a learner runs."""

UNREADABLE_OWNER = ProcessIdentity(pid=0, start_ticks=0, boot_id="")
"""Who the learner was where its mark can't be read: nobody that is still there."""

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
)
"""Variables a learner gets of the service's. The command it runs gets none of them."""

INHERITED_CONTAINER_VARIABLES = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"),
    *("CONTAINER_HOST", "XDG_RUNTIME_DIR"),
)
"""The same: where a container engine is reached. The service's check of the engine and the learner's must agree."""

INHERITED_VARIABLE_PREFIXES = ("LC_", "UV_", "PIP_", "SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The same, by how their names begin: where packages come from, and whose certificates are trusted."""

KILL_TIMEOUT = 5.0
"""Seconds that killed processes may take to vanish; one that hangs in the kernel is left to itself."""

REQUIRED_EMPTY_POLLS = 3
"""Looks in a row that must find no process: within `execve` a process has no environment for a moment."""

POLL_INTERVAL = 0.03
"""Seconds between two of these looks."""

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class LocalRunner:
    """
    Starts each learner in a session of its own, so it outlives the service.

    A handle names the learner's process, by pid, start time and boot: it means the same after a restart of the service,
    and nothing else after a restart of the machine.
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
                    # -P: no module of the job's may stand in for one of ours.
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
        # It may outlive this object and this process: it is reaped here, and none of Popen's concern any more.
        child.returncode = 0
        self._children.add(child.pid)
        # One that is gone already gets a mark that fits no process.
        process = identify(child.pid) or ProcessIdentity(pid=child.pid, start_ticks=0, boot_id="")
        return HANDLE_PREFIX + process.model_dump_json()

    def poll(self, jobs: Mapping[str, JobDirectory]) -> Mapping[str, Liveness]:
        """See how the learners are doing; see `Runner.poll`."""
        self._reap_children()
        return {handle: _poll_job(handle, job) for handle, job in jobs.items()}

    def stop(self, handles: Collection[str], jobs: Mapping[str, JobDirectory]) -> None:
        """Ask learners to stop; see `Runner.stop`."""
        for handle in handles:
            for process in (_read_owner(jobs[handle]), _parse_handle(handle)):
                if process is not None and is_alive(process):
                    _send_signal(process.pid, signal.SIGTERM)
                    break

    def kill_leftovers(self, job: JobDirectory) -> None:
        """
        End what is left of *job*; see `Runner.kill_leftovers`.

        With the learner gone its processes are nobody's children. They are known by the job's folder in their
        environment, by writing to the job's pipe (or to its log, in jobs of earlier versions), or by a session that was
        begun by one of these. A daemon that has left all of them behind is not found. A container is known by its name.
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
        for name, thread in removals:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("Container %s is not removed after %g s; its engine has not answered", name, KILL_TIMEOUT)

    def _start_container_removals(self, job: JobDirectory) -> list[tuple[str, Thread]]:
        """
        Begin to remove the container of *job*, in a thread for each engine that is installed.

        Which of them has it, only the learner knew. One that hangs is left to its thread: the dispatcher would lose its
        lease if it waited, and would begin again with the same training in its next round.
        """
        if not _may_have_container(job):
            return []
        name = container_name(job.path.name)
        removals = []
        for engine in installed_engines(self._environ.get("PATH")):
            thread = Thread(target=self._remove_container, args=(engine, name), name=f"remove {name}", daemon=True)
            thread.start()
            removals.append((name, thread))
        return removals

    def _remove_container(self, engine: str, name: str) -> None:
        if (reason := remove_container(engine, name, environment=self._environ)) is not None:
            log.warning("Container %s could not be removed by %s: %s", name, engine, reason)

    def _reap_children(self) -> None:
        """Let no zombie stand around."""
        self._children = {pid for pid in self._children if not _has_ended(pid)}


def _open_log(path: Path) -> BinaryIO:
    """
    Open what a learner prints to; a second start may find what the command has put there, even from its sandbox.

    :raises OSError: the disk is full, or the folder is not there.
    """
    try:
        return os.fdopen(open_regular_fd(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
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
    # First the process, then its mark: one that takes the job between the two looks is still seen.
    was_alive = is_alive(started)
    owner = _read_owner(job)
    if (
        owner is UNREADABLE_OWNER
    ):  # run.json cannot be read: the process that was started is the learner, if it is still there
        return Liveness.ALIVE if was_alive else Liveness.GONE
    if owner is not None:
        return Liveness.ALIVE if is_alive(owner) else Liveness.GONE
    return Liveness.WAITING if was_alive else Liveness.GONE


def _read_owner(job: JobDirectory) -> ProcessIdentity | None:
    try:
        return read_job_file(job.run, ProcessIdentity)
    except READ_ERRORS:
        return UNREADABLE_OWNER


def _may_have_container(job: JobDirectory) -> bool:
    """Return whether *job* runs in a container, as far as that is known."""
    try:
        spec = read_job_file(job.spec, JobSpec)
    except READ_ERRORS:
        return True
    return spec is None or spec.runtime.kind == "container"


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
        return  # It ended this very moment.


@contextmanager
def _sigterm_blocked() -> Iterator[None]:
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
