"""The programs of Keystone's environment, as child processes."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from airflow_dlaas.service.objectstore import rotating_log
from tests.keystone.environment import CHECKOUT

START = 120.0
"""Seconds that a server may take to start on a busy machine; five are usual."""

STOP = 15.0
"""Seconds that it may take to end before it is killed."""


class Server:
    """A process with its configuration in one line of standard input; it ends when standard input is closed."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def wait_until_ready(self) -> None:
        """Wait for the line that it is ready; else raise an AssertionError with the end of its log."""
        answer = self._process.stdout
        assert answer is not None
        readable, _, _ = select.select([answer], [], [], START)
        line = answer.readline() if readable else b""
        answer = json.loads(line) if line else {"error": rotating_log.tail(self._log)}
        assert "error" not in answer, answer["error"]


@contextmanager
def started(python: Path, program: str, order: bytes, folder: Path, *arguments: str) -> Iterator[Server]:
    """Start *program*, a file in this folder, in the new *folder*; it ends with the block, or with this process."""
    folder.mkdir(mode=0o700)
    log = folder / f"{folder.name}.log"
    # -P: `swift` and `keystone` must not be imported from this folder.
    command: list[str | Path] = [python, "-P", "-W", "ignore", Path(__file__).with_name(program), folder, *arguments]
    with log.open("ab") as log_file:
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            start_new_session=True,
        )
    assert process.stdin is not None
    with process:
        try:
            with suppress(BrokenPipeError):  # it has ended already; the cause is in its log
                process.stdin.write(order)
                process.stdin.flush()
            yield Server(process, log)
        finally:
            with suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()


def _environment() -> dict[str, str]:
    # Without bytecode the start takes twice as long. Variables of OpenStack (OS_…) would name another cloud.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OS_"))}
    return inherited | {"PYTHONPATH": str(CHECKOUT)}
