"""
Keeps a command that prints without end from filling the disk.

The command writes to the log itself, so that its output is there even where nobody reads it. What it writes beyond the
limit is therefore cut off again, several times a second: the disk holds a moment's output more than the limit, and the
command notices nothing. It neither blocks nor gets a signal, and nothing stands between it and its log.

The metrics in what is cut off are lost; those that the command writes to its own file of metrics are not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from airflow_dlaas.service.learner.alongside import alongside
from airflow_dlaas.service.learner.journal import SIGN

EVERY = 0.25
"""Seconds between two looks at the size of a log."""

OFTEN = 0.05
"""The same once there was too much: on a fast disk, a moment's output is some tens of MB then."""


class Cap:
    """Cuts *log* down to *limit* bytes and one line that says so."""

    def __init__(self, log: Path, limit: int) -> None:
        self._log = log
        self._limit = limit
        self._last_line = f"\n{SIGN}The log ends here: it may have {limit} bytes; the command goes on\n".encode()
        self.reached = False

    def cut(self) -> None:
        """Cut off what is too much."""
        whole = self._limit + (len(self._last_line) if self.reached else 0)
        if self._log.stat().st_size <= whole:
            return
        with self._log.open("r+b") as file:
            # First cut, then write: on a full disk, there is room for the line then.
            os.ftruncate(file.fileno(), whole)
            if not self.reached:
                os.pwrite(file.fileno(), self._last_line, self._limit)
                self.reached = True
                os.ftruncate(file.fileno(), self._limit + len(self._last_line))


@contextmanager
def capped(log: Path, limit: int, complain: Callable[[str], None]) -> Iterator[None]:
    """Cut *log* from a thread while the block runs, and a last time at its end."""
    cap = Cap(log, limit)

    def body(done: Event) -> None:
        try:
            while not done.wait(OFTEN if cap.reached else EVERY):
                cap.cut()
            cap.cut()
        except OSError as error:
            complain(f"The log is not kept within its limit any more: {error.strerror}")

    with alongside(body):
        yield
