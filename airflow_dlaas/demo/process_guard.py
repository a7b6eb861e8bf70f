"""
Programs on a leash: whatever happens to us, they end, and so does everything they started.

Between us and a program stands a keeper, which is this same file run as a script. It adopts every orphan below it
(a *subreaper*, on Linux), so that nothing can get away by starting a session of its own, and it holds the reading end
of a pipe from us. When the pipe closes, because we said so or because somebody killed us with -9, the keeper
ends all it holds. A signal sent by the parent's death would not do: the kernel sends it at the end of the *thread* that
started the child.
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
"""Seconds between asking a program to end and killing it: Airflow's scheduler waits five for its workers."""

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class ProcessGuard:
    """
    A running program, with its output in a file.

    Signals that the terminal sends to us (Ctrl-C) do not reach it: it has a session of its own.
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
        self.command = tuple(str(word) for word in command)
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
        """The keeper's; the program is its child."""
        return self._guard_process.pid

    def poll(self) -> int | None:
        """The program's exit status (128 and more where a signal ended it), or None while it runs."""
        return self._guard_process.poll()

    def kill_and_restart(self) -> None:
        """Kill the program itself with -9, leave alone what it started, and start it again."""
        self._send(b"again\n")

    def request_stop(self) -> None:
        """Begin to end it, without waiting."""
        stdin = self._guard_process.stdin
        if stdin is not None and not stdin.closed:
            stdin.close()

    def stop(self) -> None:
        """End the program and all below it; returns when nothing is left, after `grace_period` seconds at the most."""
        self.request_stop()
        try:
            self._guard_process.wait(self._grace_period + 10)
        except subprocess.TimeoutExpired:  # the keeper is stuck in the kernel: nothing more can be asked of it
            self._guard_process.kill()
            self._guard_process.wait()

    def tail(self, lines: int = 20) -> str:
        """The last *lines* of the output."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _send(self, word: bytes) -> None:
        stdin = self._guard_process.stdin
        if stdin is not None and not stdin.closed:
            stdin.write(word)
            stdin.flush()


def run_guard(command: Sequence[str], grace_period: float) -> int:
    """Be the keeper of *command*, until it ends or the pipe on our stdin closes; returns its exit status."""
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
        word = _read_command()
        if word == b"":
            break
        if word is not None:
            program.kill()
            program.wait()
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    terminate_children(grace_period)
    return 0 if status is None else status if status >= 0 else 128 - status


def _read_command() -> bytes | None:
    """What came through the pipe: nothing yet, a word, or b"" for its end."""
    ready, _, _ = select.select([0], [], [], 0.2)
    return os.read(0, 64) if ready else None


def _reap(program: subprocess.Popen[bytes]) -> None:
    """Bury adopted children that ended, until it is *program*'s turn, whose status its own object must see."""
    while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid != program.pid:
        os.waitpid(ended.si_pid, 0)


def terminate_children(grace_period: float) -> None:
    """Ask all below this process to end, and kill after *grace_period* seconds what has not; returns when none is left."""
    asked: set[int] = set()
    deadline = time.monotonic() + grace_period
    while left := [child for child in psutil.Process().children(recursive=True) if _is_alive(child)]:
        late = time.monotonic() > deadline
        for child in left:
            # Only direct children are asked: each may have its own way of ending those below it, and orphans come here.
            with contextlib.suppress(psutil.NoSuchProcess):
                if late or (child.ppid() == os.getpid() and child.pid not in asked):
                    asked.add(child.pid)
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
