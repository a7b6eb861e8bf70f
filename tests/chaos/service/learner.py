"""
The learner in a process that can be killed at each step.

The training's command contains the point: ``: kill-learner STEP WHEN;``. A job's learner is killed once: a second
learner of the same job is not killed.
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
from airflow_dlaas.service.learner import job_phases, job_storage, lifecycle, run_command
from airflow_dlaas.service.learner.__main__ import main

STEPS = ("claim", "read_spec", "upload_results", "write_exit", *(f"enter-{phase}" for phase in Phase))
"""The steps of a job: functions that the lifecycle or a stage of it calls, which this module wraps."""

DURING = "during"
"""Half a second after the start of a step that takes longer."""

HOLD_PHASES = ": hold-phases;"
"""The start of a command whose learner stays in each phase until a dispatcher has recorded the phase."""

HOLD_TIMEOUT = 120.0
"""Seconds after which the learner leaves a phase that was not recorded: the test then fails and shows why."""

KILL_COMMAND = re.compile(r": kill-learner (\S+) (\S+);")


def kill_command(step: str, when: str) -> str:
    """Return the start of a command whose learner is killed at this point."""
    return f": kill-learner {step} {when};"


def install(job: JobDirectory) -> None:
    """Wrap the step at which the command of *job* requests a kill, if it has not happened yet."""
    spec = read_job_file(job.spec, JobSpec)
    if spec and HOLD_PHASES in spec.command:
        _hold_phases(job)
    found = KILL_COMMAND.search(spec.command) if spec else None
    killed_mark = job.path.with_name(f"{job.path.name}.killed")
    if found is None or killed_mark.exists():
        return
    step, when = found.groups()

    def kill() -> None:
        killed_mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    if step.startswith("enter-"):
        phase = step.removeprefix("enter-")
        job_phases.JobPhases.enter = _wrap(
            job_phases.JobPhases.enter, when, kill, lambda _phases, entered: str(entered) == phase
        )  # type: ignore[method-assign]
    else:
        module = {"upload_results": job_storage, "run_supervised": run_command}.get(step, lifecycle)
        setattr(module, step, _wrap(getattr(module, step), when, kill, lambda *_: True))


def _hold_phases(job: JobDirectory) -> None:
    enter = job_phases.JobPhases.enter

    def stay(this: job_phases.JobPhases, phase: Phase) -> None:
        enter(this, phase)
        until = time.monotonic() + HOLD_TIMEOUT
        while _recorded_phase(job) != str(phase) and time.monotonic() < until:
            time.sleep(0.05)

    job_phases.JobPhases.enter = stay  # type: ignore[method-assign]


def _recorded_phase(job: JobDirectory) -> str | None:
    """Return the phase of *job* in the service's database, which is in its home folder."""
    with contextlib.closing(sqlite3.connect(job.path.parents[1] / "database.sqlite", timeout=60)) as database:
        row = database.execute("SELECT phase FROM trainings WHERE id = ?", (job.path.name,)).fetchone()
    return None if row is None else row[0]


def _wrap(
    inner: Callable[..., Any], when: str, kill: Callable[[], None], matches: Callable[..., bool]
) -> Callable[..., Any]:
    @functools.wraps(inner)
    def call(*arguments: Any, **named: Any) -> Any:
        if when == "before" and matches(*arguments):
            kill()
        if when == DURING:
            threading.Timer(0.5, kill).start()
        result = inner(*arguments, **named)
        if when == "after" and matches(*arguments):
            kill()
        return result

    return call


if __name__ == "__main__":
    install(JobDirectory(Path(sys.argv[1]).absolute()))
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
