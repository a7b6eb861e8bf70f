"""
The learner, in a process that can be killed at every step.

Where, its training's command says: ``: kill-learner STEP WHEN;``. It happens once: a second learner of the job lives.
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
"""What happens to a job, in functions of `life` that can be replaced."""

AMID = "amid"
"""Half a second after the step began: for one that takes longer."""

GRACE = 3.0
"""Seconds between TERM and KILL: fewer than the real ones, since tests wait for them to pass."""

LINGER = ": linger;"
"""What a command begins with whose learner stays in each phase until a dispatcher has recorded it."""

LONGEST_LINGER = 120.0
"""Seconds after which a phase that nobody records is left all the same: the test then says what did not happen."""

ORDER = re.compile(r": kill-learner (\S+) (\S+);")


def order(step: str, when: str) -> str:
    """What a command begins with whose learner is to die."""
    return f": kill-learner {step} {when};"


def prepare(job: JobDirectory) -> None:
    """Read where to die."""
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
            lifecycle.JobLifecycle.set_phase, when, kill, lambda _life, entered: str(entered) == phase
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
    """The phase that the service's database, in its home folder, has for *job*."""
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
