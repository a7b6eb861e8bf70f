"""
The learner, in a process that can be killed at every step.

The command of its training names the step: ``: kill-learner STEP WHEN;``. It happens once: a second learner of the job
survives.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_dlaas.contract.state import Phase
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_spec import JobSpec
from airflow_dlaas.service.learner import command_process, lifecycle
from airflow_dlaas.service.learner.__main__ import main

STEPS = ("claim", "read_spec", "upload_results", "write_exit", *(f"enter-{phase}" for phase in Phase))
"""Steps of a job, as functions of `lifecycle` that can be replaced."""

AMID = "amid"
"""Half a second after the step began, for a step that takes longer."""

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL; fewer than in production, since tests wait for them."""

LINGER = ": linger;"
"""Begin of a command whose learner stays in each phase until a dispatcher has recorded it."""

LONGEST_LINGER = 120.0
"""Seconds after which an unrecorded phase is left: the test then reports what did not happen."""

ORDER = re.compile(r": kill-learner (\S+) (\S+);")


def order(step: str, when: str) -> str:
    """Return the begin of a command whose learner is to be killed."""
    return f": kill-learner {step} {when};"


def prepare(job: JobDirectory) -> None:
    """Read the step of the kill from spec.json, and wrap its function."""
    spec = read_job_file(job.spec, JobSpec)
    if spec and LINGER in spec.command:
        _linger(job)
    found = ORDER.search(spec.command) if spec else None
    burnt = job.path.with_name(f"{job.path.name}.burnt")
    if found is None or burnt.exists():
        return
    step, when = found.groups()

    def kill() -> None:
        burnt.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    if step.startswith("enter-"):
        phase = step.removeprefix("enter-")
        lifecycle.JobLifecycle.set_phase = _around(
            lifecycle.JobLifecycle.set_phase, when, kill, lambda _lifecycle, entered: str(entered) == phase
        )  # type: ignore[method-assign]
    else:
        setattr(lifecycle, step, _around(getattr(lifecycle, step), when, kill, lambda *_: True))


def _linger(job: JobDirectory) -> None:
    enter = lifecycle.JobLifecycle.set_phase

    def stay(this: lifecycle.JobLifecycle, phase: Phase) -> None:
        enter(this, phase)
        until = time.monotonic() + LONGEST_LINGER
        while _recorded(job) != str(phase) and time.monotonic() < until:
            time.sleep(0.05)

    lifecycle.JobLifecycle.set_phase = stay  # type: ignore[method-assign]


def _recorded(job: JobDirectory) -> str | None:
    """Return the phase that the database of the service has for *job*."""
    with contextlib.closing(sqlite3.connect(job.path.parents[1] / "database.sqlite", timeout=60)) as database:
        row = database.execute("SELECT phase FROM trainings WHERE id = ?", (job.path.name,)).fetchone()
    return None if row is None else row[0]


def _around(
    inner: Callable[..., Any], when: str, kill: Callable[[], None], meant: Callable[..., bool]
) -> Callable[..., Any]:
    @functools.wraps(inner)
    def call(*arguments: Any, **named: Any) -> Any:
        if when == "before" and meant(*arguments):
            kill()
        if when == AMID:
            threading.Timer(0.5, kill).start()
        result = inner(*arguments, **named)
        if when == "after" and meant(*arguments):
            kill()
        return result

    return call


if __name__ == "__main__":
    command_process.GRACE_PERIOD = GRACE  # type: ignore[misc]
    prepare(JobDirectory(Path(sys.argv[1]).absolute()))
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
