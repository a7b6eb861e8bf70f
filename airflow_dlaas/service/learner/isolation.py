"""What keeps a command from the rest of the machine: chosen once, and said in the run's record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobDirectory, JobSpec
from airflow_dlaas.service.learner.command_env import SYSTEM_PATH, physical_gpus
from airflow_dlaas.service.learner.sandbox import runtime_paths, sandbox_argv
from airflow_dlaas.service.runtimes.probe_command import command_failure
from airflow_dlaas.service.runtimes.provision import RuntimePaths

PROBE_TIMEOUT = 20.0
"""Seconds in which a sandbox must have come and gone; it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What applies to a job."""

    mode: str
    """``bubblewrap``, ``container``, or ``none``."""
    reason: str | None = None
    """Why it is none."""
    bwrap_path: str = ""
    """The program."""

    def __str__(self) -> str:
        return self.mode if self.reason is None else f"{self.mode} ({self.reason})"

    def wrap(self, argv: Sequence[str], job: JobDirectory, spec: JobSpec, provision: RuntimePaths) -> list[str]:
        """Give what really runs *argv*."""
        if self.mode != "bubblewrap":
            return list(argv)
        return _sandbox_argv(self.bwrap_path, argv, job, spec, provision)

    def require_requested(self, spec: JobSpec) -> None:
        """
        See that what the service's operator demands applies.

        :raises HostError: it does not.
        """
        if spec.isolation == "bubblewrap" and self.mode == "none":
            raise HostError(
                f"Trainings must run in bubblewrap here, and it does not work on this machine: {self.reason}"
            )


def detect_isolation(job: JobDirectory, spec: JobSpec) -> Isolation:
    """
    Find out what can keep *job* apart, by doing it: a sandbox like the command's own is made, once.

    bwrap may well be there and not work: in containers and where user namespaces are forbidden.
    """
    if spec.runtime.kind == "container":
        return Isolation("container")
    if spec.isolation == "none":
        return Isolation("none", "it is switched off")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return Isolation("none", "bubblewrap is not installed")
    line = _sandbox_argv(bwrap, ["true"], job, spec, RuntimePaths())
    if (reason := command_failure(line, timeout=PROBE_TIMEOUT, environment={"PATH": SYSTEM_PATH})) is not None:
        return Isolation("none", f"bubblewrap does not work here: {reason.removeprefix('bwrap: ')}")
    return Isolation("bubblewrap", bwrap_path=bwrap)


def _sandbox_argv(
    bwrap_path: str, argv: Sequence[str], job: JobDirectory, spec: JobSpec, provision: RuntimePaths
) -> list[str]:
    return sandbox_argv(
        bwrap_path,
        argv,
        job=job,
        readable_paths=[*runtime_paths(provision), *spec.visible],
        with_gpus=bool(physical_gpus(spec.gpus)),
        as_root=os.geteuid() == 0,
    )
