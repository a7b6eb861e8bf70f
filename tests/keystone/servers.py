"""The programs of Keystone's environment, as processes of ours."""

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
"""Seconds a server may take to start on a machine that does a lot else; five are usual."""

STOP = 15.0
"""Seconds it may take to end by itself before it is killed."""


class Server:
    """Told what to do in one line on its standard input, it answers with one, and ends when its input does."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def wait_until_ready(self) -> None:
        """Return when it has said that it is ready; an AssertionError shows the end of its log otherwise."""
        answer = self._process.stdout
        assert answer is not None
        readable, _, _ = select.select([answer], [], [], START)
        line = answer.readline() if readable else b""
        said = json.loads(line) if line else {"error": rotating_log.tail(self._log)}
        assert "error" not in said, said["error"]


@contextmanager
def started(python: Path, program: str, order: bytes, folder: Path, *arguments: str) -> Iterator[Server]:
    """Start *program*, a file beside this one, in the new *folder*; it ends with the block, or with this process."""
    folder.mkdir(mode=0o700)
    log = folder / f"{folder.name}.log"
    # -P: what is imported as `swift` or `keystone` must not be sought here.
    command: list[str | Path] = [python, "-P", "-W", "ignore", Path(__file__).with_name(program), folder, *arguments]
    with log.open("ab") as words:
        process = subprocess.Popen(
            command,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            start_new_session=True,
        )
    assert process.stdin is not None
    with process:
        try:
            with suppress(BrokenPipeError):  # it has ended already; its log says why
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
    # Without bytecode everything starts at half the speed. What names a cloud (OS_…) names another.
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OS_"))}
    return ours | {"PYTHONPATH": str(CHECKOUT)}
