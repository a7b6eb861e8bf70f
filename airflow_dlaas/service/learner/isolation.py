"""What keeps a command from the rest of the machine: chosen once, and said in the run's record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.job_files import JobFolder, Spec
from airflow_dlaas.service.learner.command_env import SYSTEM_PATH, real_devices
from airflow_dlaas.service.learner.sandbox import runtime_paths, sandbox_command
from airflow_dlaas.service.runtimes.probe_command import failure_of
from airflow_dlaas.service.runtimes.provision import Provision

PROBE_LIMIT = 20.0
"""Seconds in which a sandbox must have come and gone; it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """What applies to a job."""

    word: str
    """``bubblewrap``, ``container``, or ``none``."""
    why: str | None = None
    """Why it is none."""
    bwrap: str = ""
    """The program."""

    def __str__(self) -> str:
        return self.word if self.why is None else f"{self.word} ({self.why})"

    def wrap(self, line: Sequence[str], job: JobFolder, spec: Spec, provision: Provision) -> list[str]:
        """Give what really runs *line*."""
        if self.word != "bubblewrap":
            return list(line)
        return _sandboxed(self.bwrap, line, job, spec, provision)

    def insist(self, spec: Spec) -> None:
        """
        See that what the service's operator demands applies.

        :raises HostError: it does not.
        """
        if spec.isolation == "bubblewrap" and self.word == "none":
            raise HostError(f"Trainings must run in bubblewrap here, and it does not work on this machine: {self.why}")


def isolation(job: JobFolder, spec: Spec) -> Isolation:
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
    line = _sandboxed(bwrap, ["true"], job, spec, Provision())
    if (reason := failure_of(line, timeout=PROBE_LIMIT, environment={"PATH": SYSTEM_PATH})) is not None:
        return Isolation("none", f"bubblewrap does not work here: {reason.removeprefix('bwrap: ')}")
    return Isolation("bubblewrap", bwrap=bwrap)


def _sandboxed(bwrap: str, line: Sequence[str], job: JobFolder, spec: Spec, provision: Provision) -> list[str]:
    return sandbox_command(
        bwrap,
        line,
        job=job,
        shown=[*runtime_paths(provision), *spec.visible],
        devices=bool(real_devices(spec.gpus)),
        root=os.geteuid() == 0,
    )
