"""Ends the processes below this one: SIGTERM to those that are there, and later SIGKILL to all that are left."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from airflow_dlaas.service.process.process_info import descendants, program_name

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
    sandbox_pid: int | None = None
    """The process of bwrap, if there is a sandbox. It ends with the command, and gets no SIGTERM."""
    started_at: float = field(default_factory=time.monotonic)
    _signaled_pids: set[int] = field(default_factory=set)
    _is_command_signaled: bool = False
    """Whether a process of the command, and not only of the sandbox, has got SIGTERM."""

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
        Send SIGTERM to those of *pids* that have not got it.

        The first process of a PID namespace ignores a SIGTERM from outside: a sandbox lives as long as the command in
        it.
        """
        new = [pid for pid in pids if pid != self.sandbox_pid and pid not in self._signaled_pids]
        names = [program_name(pid) for pid in new] if self.sandbox_pid is not None else []
        for pid in new:
            _send_signal(pid, signal.SIGTERM)
        self._signaled_pids.update(new)
        self._is_command_signaled = self.sandbox_pid is None or any(one not in ("", SANDBOX_PROGRAM) for one in names)


def _send_signal(pid: int, signum: signal.Signals) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return
