"""The isolation of a command from the machine: detected once for each job, recorded in its status."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner.command_env import SYSTEM_PATH, physical_gpus
from airflow_dlaas.service.learner.mounts import Mount
from airflow_dlaas.service.learner.sandbox import runtime_paths, sandbox_argv, with_mounts
from airflow_dlaas.service.runtimes.probe_command import command_failure
from airflow_dlaas.service.runtimes.provision import RuntimePaths

PROBE_TIMEOUT = 20.0
"""Seconds for a sandbox to start and end; it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """The isolation of one job."""

    mode: str
    """``bubblewrap``, ``container``, or ``none``."""
    reason: str | None = None
    """Why there is none."""
    bwrap_path: str = ""
    """Path of the program bwrap."""
    shared_memory: int | None = None
    """Bytes of the sandbox's ``/dev/shm``; None for the kernel's default."""

    def __str__(self) -> str:
        return self.mode if self.reason is None else f"{self.mode} ({self.reason})"

    def wrap(
        self,
        argv: Sequence[str],
        job: JobDirectory,
        spec: JobSpec,
        provision: RuntimePaths,
        mounts: Sequence[Mount] = (),
    ) -> list[str]:
        """Return the argument list that runs *argv* with this isolation; in a sandbox, it sees *mounts*."""
        if self.mode != "bubblewrap":
            return list(argv)
        line = _sandbox_argv(self.bwrap_path, argv, job, spec, provision, self.shared_memory)
        return with_mounts(line, job, mounts)

    def require_requested(self, spec: JobSpec) -> None:
        """
        Check that the isolation that the service's operator requires is there.

        :raises HostError: it is not.
        """
        if spec.isolation == "bubblewrap" and self.mode == "none":
            raise HostError(f"DLAAS_ISOLATION requires bubblewrap, and it does not work on this machine: {self.reason}")


def require_isolated_secrets(isolation: Isolation, job: JobDirectory, spec: JobSpec, execution: Execution) -> None:
    """
    Check that no other training of this machine could read the secrets of *execution*, unless the site allows it.

    All commands are the same Unix user. One without isolation can read the variables of every process of that user,
    also of those in a container: a container hides the machine from its command, not the command from the machine.

    :raises HostError: commands on this machine are not isolated; the message has the ways out.
    """
    if not execution.secrets or spec.secrets_without_isolation or spec.isolation == "bubblewrap":
        return
    others = _detect_sandbox(job, spec) if isolation.mode == "container" else isolation
    if others.mode == "none":
        raise HostError(
            "The definition has secrets, and this machine does not isolate commands, so other trainings could read "
            f"them: {others.reason}. Install bubblewrap here, or set DLAAS_SECRETS_WITHOUT_ISOLATION=yes for the "
            "service"
        )


def detect_isolation(job: JobDirectory, spec: JobSpec) -> Isolation:
    """
    Return the isolation that works for *job*: a sandbox like the command's is started once as a test.

    bwrap may be installed and not work: in containers, and where user namespaces are forbidden. One that cannot set
    the size of ``/dev/shm`` (before 0.7, or setuid) is used without it.
    """
    if spec.runtime.kind == "container":
        return Isolation("container")
    return _detect_sandbox(job, spec)


def _detect_sandbox(job: JobDirectory, spec: JobSpec) -> Isolation:
    """Return the isolation of a command that runs on this machine itself."""
    if spec.isolation == "none":
        return Isolation("none", "it is switched off")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Isolation("none", "bubblewrap is not installed")
    reason: str | None = None
    for shared_memory in dict.fromkeys((spec.given.shared_memory, None)):
        line = _sandbox_argv(bwrap, ["true"], job, spec, RuntimePaths(), shared_memory)
        reason = command_failure(line, timeout=PROBE_TIMEOUT, environment={"PATH": SYSTEM_PATH})
        if reason is None:
            return Isolation("bubblewrap", bwrap_path=bwrap, shared_memory=shared_memory)
    return Isolation("none", f"bubblewrap does not work here: {(reason or '').removeprefix('bwrap: ')}")


def _sandbox_argv(
    bwrap_path: str,
    argv: Sequence[str],
    job: JobDirectory,
    spec: JobSpec,
    provision: RuntimePaths,
    shared_memory: int | None,
) -> list[str]:
    return sandbox_argv(
        bwrap_path,
        argv,
        job=job,
        readable_paths=[*runtime_paths(provision), *spec.visible],
        with_gpus=bool(physical_gpus(spec.gpus)),
        as_root=os.geteuid() == 0,
        shared_memory=shared_memory,
    )
