"""Runs the command and owns everything it starts, until none of it is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.exceptions import HostError
from airflow_dlaas.service.learner.log_pipe import LogPipe
from airflow_dlaas.service.learner.signal_waker import Bell
from airflow_dlaas.service.process.process_info import descendants, program

GRACE = 10.0
"""Seconds a canceled command has between TERM and KILL, to save a checkpoint."""

LEFTOVER_GRACE = 1.0
"""The same for what a command left running when it ended by itself."""

GIVE_UP = 30.0
"""Seconds after which a process that even KILL does not end (it hangs in the kernel) is left to itself."""

SETTLE = 0.25
"""Seconds in which what a command leaves behind may end by itself: helpers that follow its end, as Python's own."""

SANDBOX = "bwrap"
"""The program that holds a sandbox together. It is not the command's."""

LOOK = 0.05
"""Seconds between looks at a tree that is being ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended."""

    exit_code: int
    """Its own; 128 + N where signal N ended it."""
    canceled: bool = False
    overdue: bool = False
    grace: float = 0.0
    """Seconds it had to end after TERM, where it was asked to end."""
    took: float = 0.0
    """Seconds it took of them, with all its processes."""
    left_running: tuple[str, ...] = ()
    """Programs that it had left running when it ended by itself, and that were ended."""

    @property
    def cut_off(self) -> bool:
        """Whether its grace was not enough, so that it was killed."""
        return (self.canceled or self.overdue) and self.took >= self.grace


def supervise(
    line: Sequence[str],
    *,
    environment: Mapping[str, str],
    workdir: Path,
    output: LogPipe,
    bell: Bell,
    timeout: float | None,
    wrapped: bool = False,
) -> Ended:
    """
    Run *line* until it ends, *timeout* seconds have passed or the learner is asked to stop.

    Both of its streams go to *output*. When this returns, nothing it started is running any more.

    *wrapped* says that the process started only waits for the command and ends as it did: TERM is not for it.

    :raises HostError: it could not be started.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            line,
            env=dict(environment),
            cwd=workdir,
            stdin=subprocess.DEVNULL,
            stdout=output.writer,
            stderr=output.writer,
            start_new_session=True,
        )
    except OSError as error:
        raise HostError(f"The command's shell could not be started: {error}") from error
    output.close_writer()
    overdue = False
    while (status := _reap(process.pid)) is None and not bell.canceled and not overdue:
        left = None if deadline is None else deadline - time.monotonic()
        overdue = left is not None and left <= 0
        if not overdue:
            bell.wait(left)
    canceled = status is None and not overdue
    left_running: tuple[str, ...] = ()
    if status is not None:
        left_running = _left_running(bell, {SANDBOX} if wrapped else set())
    grace, asked_at = GRACE if status is None else LEFTOVER_GRACE, time.monotonic()
    late = _end_descendants(process.pid, grace, bell, {process.pid} if wrapped else set())
    code = status if status is not None else late if late is not None else -signal.SIGKILL
    process.returncode = code  # It was reaped here, not by Popen, which would go on looking for it.
    return Ended(
        exit_code=code if code >= 0 else 128 - code,
        canceled=canceled,
        overdue=overdue,
        grace=grace,
        took=time.monotonic() - asked_at,
        left_running=left_running,
    )


def _left_running(bell: Bell, not_its_own: set[str]) -> tuple[str, ...]:
    """Name the programs below this process that do not end by themselves after the command."""
    until = time.monotonic() + SETTLE
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        bell.wait(LOOK)
        _reap(0)
    return tuple(name for pid in left if (name := program(pid)) and name not in not_its_own)


def end_everything(bell: Bell) -> None:
    """
    End whatever is running below this process.

    Nothing is reaped: a thread that was left behind waits for its own child, and must learn that it was killed.
    """
    for _ in _ending(LEFTOVER_GRACE, bell, set()):
        pass


def _reap(wanted: int) -> int | None:
    """Reap every child that has ended; the exit code of *wanted* (negative: a signal) if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == wanted:
            code = os.waitstatus_to_exitcode(status)


def _end_descendants(wanted: int, grace: float, bell: Bell, spared: set[int]) -> int | None:
    """End whatever is running below, and reap it; the exit code of *wanted* if it was among it."""
    code = None
    for _ in _ending(grace, bell, spared):
        reaped = _reap(wanted)
        code = reaped if reaped is not None else code
    reaped = _reap(wanted)
    return reaped if reaped is not None else code


def _ending(grace: float, bell: Bell, spared: set[int]) -> Iterator[None]:
    """
    Send TERM to everything below but *spared*, after *grace* seconds KILL, until nothing is left; one turn a look.

    The first process of a PID namespace takes no TERM from outside: a sandbox stays as long as a command in it does.
    """
    begun = time.monotonic()
    asked = set(spared)
    while (left := descendants(os.getpid())) and (since := time.monotonic() - begun) < grace + GIVE_UP:
        for pid in left:
            if since >= grace:
                _send(pid, signal.SIGKILL)
            elif pid not in asked:
                _send(pid, signal.SIGTERM)
                asked.add(pid)
        bell.wait(LOOK)
        yield


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
