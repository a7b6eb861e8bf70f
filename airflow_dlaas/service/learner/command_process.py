"""Runs the command, and terminates every process that it started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_dlaas.service.learner.command_start import CommandStart
from airflow_dlaas.service.learner.log_pipe import LogPipe
from airflow_dlaas.service.learner.signal_waker import SignalWaker
from airflow_dlaas.service.learner.termination import SANDBOX_PROGRAM, Termination
from airflow_dlaas.service.process.process_info import descendants, program_name

LEFTOVER_GRACE_PERIOD = 1.0
"""Seconds between SIGTERM and SIGKILL for background processes of a command that ended by itself."""

LEFTOVER_EXIT_TIMEOUT = 0.25
"""Seconds for helper processes that end shortly after the command, such as Python's resource tracker."""

POLL_INTERVAL = 0.05
"""Seconds between two checks of the processes that are being terminated."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How the command ended."""

    exit_code: int
    """The command's exit code; 128 + N if signal N ended it."""
    canceled: bool = False
    timed_out: bool = False
    stop_reason: str | None = None
    """Why it was stopped for its watchdog, if it was."""
    grace_period: float = 0.0
    """Seconds that it had to end after SIGTERM, if one was sent."""
    termination_seconds: float = 0.0
    """Seconds until all its processes had ended, after the first SIGTERM."""
    leftover_programs: tuple[str, ...] = ()
    """Background programs that were terminated after the command ended by itself."""

    @property
    def was_killed(self) -> bool:
        """Whether the grace period was over and it was killed."""
        return self.was_stopped and self.termination_seconds >= self.grace_period

    @property
    def was_stopped(self) -> bool:
        """Whether it did not end by itself."""
        return self.canceled or self.timed_out or self.stop_reason is not None


def run_supervised(
    start: CommandStart,
    *,
    output: LogPipe,
    waker: SignalWaker,
    timeout: float | None,
    grace: float,
    get_stop_reason: Callable[[], str | None] = lambda: None,
) -> CommandResult:
    """
    Run the command of *start* until it ends, until *timeout* seconds have passed, until there is a reason to stop it,
    or until the learner receives a request to stop.

    stdout and stderr go to *output*. When this returns, no process that it started is running. A further request to
    stop changes nothing: the command keeps the rest of its time to save.

    :param grace: seconds between SIGTERM and SIGKILL for a command that is stopped.
    :param get_stop_reason: returns why the command must be stopped, or None; when it has one, *waker* must be woken.
    :raises HostError: the process could not be started.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    process = start.start(output.writer)
    output.close_writer()
    timed_out, reason = False, None
    while (status := _reap(process.pid)) is None and not waker.canceled and not timed_out:
        if (reason := get_stop_reason()) is not None:
            break
        left = None if deadline is None else deadline - time.monotonic()
        timed_out = left is not None and left <= 0
        if not timed_out:
            waker.wait(left)
    canceled = status is None and not timed_out and reason is None
    leftover_programs: tuple[str, ...] = ()
    if status is not None:
        leftover_programs = _find_leftover_programs(waker, {SANDBOX_PROGRAM} if start.in_sandbox else set())
    termination = Termination(LEFTOVER_GRACE_PERIOD)
    if status is None:
        isolated = start.in_sandbox or start.in_container
        termination = Termination(grace, isolated, client_pid=process.pid if start.in_container else None)
    late_status = _terminate_and_reap(process.pid, termination, waker)
    code = status if status is not None else late_status if late_status is not None else -signal.SIGKILL
    process.returncode = code  # reaped here, not by Popen, which would wait for it
    return CommandResult(
        exit_code=code if code >= 0 else 128 - code,
        canceled=canceled,
        timed_out=timed_out,
        stop_reason=reason if status is None else None,
        grace_period=termination.grace,
        termination_seconds=time.monotonic() - termination.started_at,
        leftover_programs=leftover_programs,
    )


def _find_leftover_programs(waker: SignalWaker, excluded_programs: set[str]) -> tuple[str, ...]:
    """Return the names of descendants that did not end shortly after the command."""
    until = time.monotonic() + LEFTOVER_EXIT_TIMEOUT
    while (left := descendants(os.getpid())) and time.monotonic() < until:
        waker.wait(POLL_INTERVAL)
        _reap(0)
    return tuple(name for pid in left if (name := program_name(pid)) and name not in excluded_programs)


def terminate_descendants(waker: SignalWaker) -> None:
    """
    Terminate all descendants of this process.

    Nothing is reaped here, because a thread that still runs waits for its own child.
    """
    termination = Termination(LEFTOVER_GRACE_PERIOD)
    while termination.advance():
        waker.wait(POLL_INTERVAL)


def _reap(target_pid: int) -> int | None:
    """Reap all children that have ended; return the exit code of *target_pid* (negative: a signal) if it is one."""
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


def _terminate_and_reap(target_pid: int, termination: Termination, waker: SignalWaker) -> int | None:
    """Terminate and reap all descendants; return the exit code of *target_pid* if it is one of them."""
    code = None
    while termination.advance():
        waker.wait(POLL_INTERVAL)
        reaped = _reap(target_pid)
        code = reaped if reaped is not None else code
    reaped = _reap(target_pid)
    return reaped if reaped is not None else code
