"""Ends the processes below this one: SIGTERM to those that are there, and later SIGKILL to all that are left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_dlaas.service.process.process_info import descendants, pid_namespace, program_name

KILL_TIMEOUT = 30.0
"""Seconds after SIGKILL; a process that is still there hangs in the kernel and is given up."""

SANDBOX_PROGRAM = "bwrap"
"""The program that runs the sandbox. It is not one of the command's."""


@dataclass(slots=True)
class Termination:
    """
    Ends all descendants of this process within a time.

    A process gets SIGTERM once, and only if it is there at the stop: programs that a command starts to save its state
    get none. In a sandbox that has just been started there may be no process of the command yet; the first one that
    appears gets it then.
    """

    grace: float
    """Seconds between SIGTERM and SIGKILL."""
    is_isolated: bool = False
    """Whether the command is in a PID namespace of its own. SIGTERM is only for processes in it then: those outside
    keep its sandbox or its container running, while it saves."""
    client_pid: int | None = None
    """The client of a container engine, if there is one: it gets SIGTERM and passes it on. Its container may be no
    descendant."""
    started_at: float = field(default_factory=time.monotonic)
    _is_command_signaled: bool = False
    """Whether a process of the command, and not only of the sandbox, has got SIGTERM."""
    _signaled_pids: set[int] = field(default_factory=set)

    def advance(self) -> bool:
        """Send the signals that are due; return False if no process is left, or if one that is left cannot be ended."""
        left = descendants(os.getpid())
        if left and not self._is_command_signaled:
            # Twice, because the list is not read at one point in time: a process may be missing in one.
            self._send_sigterm(dict.fromkeys((*left, *descendants(os.getpid()))))
        since = time.monotonic() - self.started_at
        if since >= self.grace:
            for pid in left:
                _send_signal(pid, signal.SIGKILL)
        return bool(left) and since < self.grace + KILL_TIMEOUT

    def _send_sigterm(self, pids: Iterable[int]) -> None:
        """
        Send SIGTERM to those of *pids* that are the command's, and have not got it.

        :param pids: parents before their children. A shell that waits for a child must not see its end before SIGTERM:
            it would go on to the next line of its script.
        """
        outside = pid_namespace(os.getpid()) if self.is_isolated else None
        new = [
            pid
            for pid in pids
            if pid not in self._signaled_pids and (pid == self.client_pid or pid_namespace(pid) != outside)
        ]
        # The first process of a sandbox is bwrap too, and ignores a SIGTERM from outside.
        names = [program_name(pid) for pid in new]
        for pid in new:
            _send_signal(pid, signal.SIGTERM)
        self._signaled_pids.update(new)
        self._is_command_signaled = not self.is_isolated or any(one not in ("", SANDBOX_PROGRAM) for one in names)


def _send_signal(pid: int, signum: signal.Signals) -> None:
    # A container's process may be that of another user, if its image names one: its engine has passed on the signal.
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)
