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
from airflow_dlaas.service.learner.signal_waker import SignalWaker
from airflow_dlaas.service.process.process_info import descendants, program_name

GRACE_PERIOD = 10.0
"""Seconds a canceled command has between TERM and KILL, to save a checkpoint."""

LEFTOVER_GRACE_PERIOD = 1.0
"""The same for what a command left running when it ended by itself."""

KILL_TIMEOUT = 30.0
"""Seconds after which a process that even KILL does not end (it hangs in the kernel) is left to itself."""

LEFTOVER_EXIT_TIMEOUT = 0.25
"""Seconds in which what a command leaves behind may end by itself: helpers that follow its end, as Python's own."""

SANDBOX_PROGRAM = "bwrap"
"""The program that holds a sandbox together. It is not the command's."""

POLL_INTERVAL = 0.05
"""Seconds between looks at a tree that is being ended."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How the command ended."""

    exit_code: int
    """Its own; 128 + N where signal N ended it."""
    canceled: bool = False
    timed_out: bool = False
    grace_period: float = 0.0
    """Seconds it had to end after TERM, where it was asked to end."""
    termination_seconds: float = 0.0
    """Seconds it took of them, with all its processes."""
    leftover_programs: tuple[str, ...] = ()
    """Programs that it had left running when it ended by itself, and that were ended."""

    @property
    def was_killed(self) -> bool:
        """Whether its grace was not enough, so that it was killed."""
        return (self.canceled or self.timed_out) and self.termination_seconds >= self.grace_period


def run_supervised(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    workdir: Path,
    output: LogPipe,
    waker: SignalWaker,
    timeout: float | None,
    in_sandbox: bool = False,
) -> CommandResult:
    """
    Run *argv* until it ends, *timeout* seconds have passed or the learner is asked to stop.

    Both of its streams go to *output*. When this returns, nothing it started is running any more.

    *in_sandbox* says that the process started only waits for the command and ends as it did: TERM is not for it.

    :raises HostError: it could not be started.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    try:
        process = subprocess.Popen(
            argv,
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
    while (status := _reap(process.pid)) is None and not waker.canceled and not overdue:
        left = None if deadline is None else deadline - time.monotonic()
        overdue = left is not None and left <= 0
        if not overdue:
            waker.wait(left)
    canceled = status is None and not overdue
    left_running: tuple[str, ...] = ()
    if status is not None:
        left_running = _find_leftover_programs(waker, {SANDBOX_PROGRAM} if in_sandbox else set())
    grace, asked_at = GRACE_PERIOD if status is None else LEFTOVER_GRACE_PERIOD, time.monotonic()
    late = _terminate_and_reap(process.pid, grace, waker, {process.pid} if in_sandbox else set())
    code = status if status is not None else late if late is not None else -signal.SIGKILL
    process.returncode = code  # It was reaped here, not by Popen, which would go on looking for it.
    return CommandResult(
        exit_code=code if code >= 0 else 128 - code,
        canceled=canceled,
        timed_out=overdue,
        grace_period=grace,
        termination_seconds=time.monotonic() - asked_at,
        leftover_programs=left_running,
    )


def _find_leftover_programs(waker: SignalWaker, excluded_programs: set[str]) -> tuple[str, ...]:
    """Name the programs below this process that do not end by themselves after the command."""
    until = time.monotonic() + LEFTOVER_EXIT_TIMEOUT
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        waker.wait(POLL_INTERVAL)
        _reap(0)
    return tuple(name for pid in left if (name := program_name(pid)) and name not in excluded_programs)


def terminate_descendants(waker: SignalWaker) -> None:
    """
    End whatever is running below this process.

    Nothing is reaped: a thread that was left behind waits for its own child, and must learn that it was killed.
    """
    for _ in _termination_steps(LEFTOVER_GRACE_PERIOD, waker, set()):
        pass


def _reap(target_pid: int) -> int | None:
    """Reap every child that has ended; the exit code of *target_pid* (negative: a signal) if it is among them."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == target_pid:
            code = os.waitstatus_to_exitcode(status)


def _terminate_and_reap(
    target_pid: int, grace_period: float, waker: SignalWaker, excluded_pids: set[int]
) -> int | None:
    """End whatever is running below, and reap it; the exit code of *target_pid* if it was among it."""
    code = None
    for _ in _termination_steps(grace_period, waker, excluded_pids):
        reaped = _reap(target_pid)
        code = reaped if reaped is not None else code
    reaped = _reap(target_pid)
    return reaped if reaped is not None else code


def _termination_steps(grace_period: float, waker: SignalWaker, excluded_pids: set[int]) -> Iterator[None]:
    """
    Send TERM to everything below but *excluded_pids*, after *grace_period* seconds KILL, until nothing is left; one turn a look.

    The first process of a PID namespace takes no TERM from outside: a sandbox stays as long as a command in it does.
    """
    begun = time.monotonic()
    asked = set(excluded_pids)
    while (left := descendants(os.getpid())) and (since := time.monotonic() - begun) < grace_period + KILL_TIMEOUT:
        for pid in left:
            if since >= grace_period:
                _send_signal(pid, signal.SIGKILL)
            elif pid not in asked:
                _send_signal(pid, signal.SIGTERM)
                asked.add(pid)
        waker.wait(POLL_INTERVAL)
        yield


def _send_signal(pid: int, signum: signal.Signals) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return
