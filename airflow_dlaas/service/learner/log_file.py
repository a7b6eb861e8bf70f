"""The learner's own log files. All but ``learner.log`` are stored with the results."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from airflow_dlaas.contract.base import format_time
from airflow_dlaas.service.regular_file import open_regular_fd

LOG_PREFIX = "[dlaas] "
"""Start of the learner's lines in the command's log."""

PROGRESS_INTERVAL = 2.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """Appends lines to a file. If it cannot be written, lines are lost and the job continues."""

    path: Path

    def write_message(self, text: str) -> None:
        """Append *text*."""
        head = f"{format_time(datetime.now(timezone.utc))} "
        lines = "".join(f"{head}{line}\n" for line in text.splitlines())
        try:
            # A command may have replaced it by a link out of the job directory.
            file = open_regular_fd(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            with os.fdopen(file, "a", encoding="utf-8", errors="backslashreplace") as opened:
                opened.write(lines)
        except OSError:
            return


def throttled(say: Callable[[str], None], interval: float = PROGRESS_INTERVAL) -> Callable[[Callable[[], str]], None]:
    """Return a function that passes on one message each *interval* seconds; others are not formatted."""
    last = time.monotonic()

    def maybe(sentence: Callable[[], str]) -> None:
        nonlocal last
        if time.monotonic() - last >= interval:
            last = time.monotonic()
            say(sentence())

    return maybe
