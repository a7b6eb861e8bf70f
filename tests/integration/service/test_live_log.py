"""A progress bar of a real training, seen while it is redrawn: by requests, in a terminal, and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airflow_dlaas._util.terminal_text import plain_text
from airflow_dlaas.client import calls
from tests.waiting import until

BAR = """
import os, pathlib, sys, time
gate = pathlib.Path(os.environ["DATA_DIR"], "gate")
print("start", flush=True)
step = 0
while not gate.exists():
    step += 1
    sys.stderr.write(f"\\r\\x1b[32mstep {step}\\x1b[0m loss={1 / step:.3f}")
    sys.stderr.flush()
    time.sleep(0.05)
print(f"\\nsteps: {step}\\x07")
"""
"""A bar at 20 Hz, until the test opens the gate."""


@contextmanager
def follow_log(customer, training_id: str, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """Follow the log by the console with *stdout* as its standard output."""
    with subprocess.Popen(
        [sys.executable, "-m", "airflow_dlaas.cli", "logs", "--follow", training_id],
        env=customer.service.environment | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Terminal:
    """A pseudo terminal, and what a program has printed to it."""

    def __init__(self) -> None:
        self._reader, self.writer = pty.openpty()
        os.set_blocking(self._reader, False)
        self._seen = b""

    def seen(self) -> bytes:
        """Return everything that was printed so far."""
        try:
            while read := os.read(self._reader, 65536):
                self._seen += read
        except OSError:  # nothing new, or closed by the program
            pass
        return self._seen

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_progress_bar_is_live_everywhere_and_one_line_at_its_end(customer, terminal: Terminal) -> None:
    training = customer.running(customer.submit("python3 main.py", main=BAR))

    def tail() -> str:
        return customer.client.send(calls.get_log(training.id, tail=100_000)).text

    with (
        follow_log(customer, training.id, terminal.writer) as in_terminal,
        follow_log(customer, training.id, subprocess.PIPE) as in_pipe,
    ):
        first = until(tail, lambda text: "step" in text)
        until(tail, lambda text: text != first)
        assert "\n" not in tail().partition("start\n")[2]
        assert customer.client.send(calls.search_log(training.id, "LOSS=")).matches[0].line.startswith("step ")
        until(terminal.seen, lambda seen: seen.count(b"\r\x1b[K\x1b[32mstep") > 1)
        customer.open_gate(training)
        customer.end(training.id)
        assert in_pipe.stdout is not None
        printed = in_pipe.stdout.read().decode()
        # Read while it prints: a terminal that is full blocks its program.
        until(lambda: (terminal.seen(), in_terminal.poll()), lambda state: state[1] is not None)

    stored = customer.result(training.id, "learner-1/training-log.txt").decode()
    *_, bar, steps = plain_text(stored.partition("start\n")[2]).splitlines()[:2]
    assert steps == f"steps: {bar.split()[1]}\\x07"
    assert 1 < stored.count("\r") < int(bar.split()[1])
    assert f"\n{bar}\n{steps}\n" in printed
    assert not {"\r", "\x1b", "\x07"} & set(printed)
    assert b"\x07" not in terminal.seen()
