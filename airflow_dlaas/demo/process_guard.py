"""
Child processes that end with this process, however it ends, together with all processes that they started.

Between this process and a program is a guard process: this file, run as a script. On Linux the guard is a *subreaper*:
it adopts every orphan below it, so that a program that starts a session of its own does not escape. The guard reads
from a pipe. When the pipe closes, because `request_stop` closed it or because this process was killed with -9, the
guard ends all processes below it. A parent-death signal does not serve: the kernel sends it at the end of the *thread*
that started the child.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from typing import Self

GRACE_PERIOD = 8.0
"""Seconds between SIGTERM and SIGKILL: Airflow's scheduler waits five seconds for its workers."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

RESTART = b"again\n"
"""The one command that the guard reads from its pipe."""


class ProcessGuard:
    """
    A running program; its output goes to the file *log*.

    Signals of the terminal (Ctrl-C) do not reach the program: it runs in a session of its own.

    :param grace_period: seconds between SIGTERM and SIGKILL when the program is stopped.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_period: float = GRACE_PERIOD,
    ) -> None:
        self.command = tuple(str(argument) for argument in command)
        self.log = log
        self._grace_period = grace_period
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._guard_process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).resolve()), str(grace_period), *self.command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the guard; the program is its child."""
        return self._guard_process.pid

    def poll(self) -> int | None:
        """
        Return the exit status of the program (128 + the number of the signal that ended it), or None while it runs.
        """
        return self._guard_process.poll()

    def kill_and_restart(self) -> None:
        """Kill the program with SIGKILL and start it again; the processes that it started keep running."""
        self._send(RESTART)

    def request_stop(self) -> None:
        """Begin to end the program; do not wait for its end."""
        stdin = self._guard_process.stdin
        if stdin is not None and not stdin.closed:
            stdin.close()

    def stop(self) -> None:
        """
        End the program and all processes below it; return when none is left, about `grace_period` seconds later at
        most.
        """
        self.request_stop()
        try:
            self._guard_process.wait(self._grace_period + 10)
        except subprocess.TimeoutExpired:  # the guard is blocked in the kernel
            self._guard_process.kill()
            self._guard_process.wait()

    def tail(self, lines: int = 20) -> str:
        """Return the last *lines* of the output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _send(self, command: bytes) -> None:
        stdin = self._guard_process.stdin
        if stdin is not None and not stdin.closed:
            stdin.write(command)
            stdin.flush()


def run_guard(command: Sequence[str], grace_period: float) -> int:
    """Run *command* until it ends, or until the pipe on stdin closes or a signal arrives; return its exit status."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signals: list[int] = []
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, lambda number, _: signals.append(number))
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    status: int | None = None
    while not signals:
        _reap(program)
        if (status := program.poll()) is not None:
            break
        received = _read_command()
        if received == b"":
            break
        if received is not None:
            program.kill()
            program.wait()
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    terminate_children(grace_period)
    return 0 if status is None else status if status >= 0 else 128 - status


def _read_command() -> bytes | None:
    """Read from the pipe: None if there is nothing, a command, or b"" at the end of the pipe."""
    ready, _, _ = select.select([0], [], [], 0.2)
    return os.read(0, 64) if ready else None


def _reap(program: subprocess.Popen[bytes]) -> None:
    """Reap adopted children that have ended, but not *program*: its `Popen` object must read its exit status."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != program.pid:
        os.waitpid(ended.si_pid, 0)


def terminate_children(grace_period: float) -> None:
    """
    End all processes below this one: SIGTERM, and after *grace_period* seconds SIGKILL; return when none is left.

    Only direct children receive SIGTERM: each may have its own way to end its children, and orphans become direct
    children of this process.
    """
    terminated: set[int] = set()
    deadline = time.monotonic() + grace_period
    while left := [child for child in psutil.Process().children(recursive=True) if _is_alive(child)]:
        late = time.monotonic() > deadline
        for child in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                if late or (child.ppid() == os.getpid() and child.pid not in terminated):
                    terminated.add(child.pid)
                    child.send_signal(signal.SIGKILL if late else signal.SIGTERM)
        psutil.wait_procs(left, timeout=0.1)


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.ppid() == os.getpid() and process.status() == psutil.STATUS_ZOMBIE:
            os.waitpid(process.pid, os.WNOHANG)
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, ChildProcessError):
        return False


if __name__ == "__main__":
    sys.exit(run_guard(sys.argv[2:], float(sys.argv[1])))
