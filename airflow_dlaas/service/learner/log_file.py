"""The learner's own log files. All but ``learner.log`` are stored with the results."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_dlaas.contract.base import format_time
from airflow_dlaas.service.learner.secret_mask import NO_SECRETS, SecretMask
from airflow_dlaas.service.regular_file import open_regular_fd

if TYPE_CHECKING:
    from airflow_dlaas.storage.transfer.worker_pool import Progress

LOG_PREFIX = "[dlaas] "
"""Start of the learner's lines in the command's log."""

PROGRESS_INTERVAL = 2.0
"""Seconds between two lines of progress, at least."""


def file_logger(path: Path, mask: SecretMask = NO_SECRETS) -> logging.Logger:
    """
    Return a logger that appends to the file at *path*: time, level from WARNING on, message without secrets of *mask*.

    If the file cannot be written, lines are lost and the job continues. The logger is not registered, so it has no
    parent and ends with its last reference.
    """
    logger = logging.Logger(f"learner.{path.stem}", logging.INFO)  # noqa: LOG001  # `getLogger` keeps it for ever
    logger.addHandler(_AppendHandler(path, mask))
    return logger


class _AppendHandler(logging.Handler):
    """Opens the file for each record: a command may replace it at any time."""

    def __init__(self, path: Path, mask: SecretMask) -> None:
        super().__init__()
        self._path = path
        self._mask = mask

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._append(record)
        except OSError:
            return
        except Exception:  # noqa: BLE001 - as in `logging`: a message with wrong arguments fails no training
            self.handleError(record)

    def _append(self, record: logging.LogRecord) -> None:
        head = f"{format_time(datetime.fromtimestamp(record.created, timezone.utc))} "
        if record.levelno >= logging.WARNING:
            head += f"{record.levelname} "
        lines = "".join(f"{head}{line}\n" for line in self._mask.text(self.format(record)).splitlines())
        # A command may have replaced the file by a link out of the job directory.
        file = open_regular_fd(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        with os.fdopen(file, "a", encoding="utf-8", errors="backslashreplace") as opened:
            opened.write(lines)


def progress_text(progress: Progress) -> str:
    """Return the progress of a transfer in words."""
    return f"{progress.files_done} of {progress.files_total} files, {progress.bytes_done} bytes"


def throttled(
    logger: logging.Logger, interval: float = PROGRESS_INTERVAL, write: Callable[[str], object] | None = None
) -> Callable[[Callable[[], str]], None]:
    """
    Return a function that logs at most one message per *interval* seconds, at INFO; others are not formatted.

    :param write: receives the messages instead of *logger*.
    """
    last = time.monotonic()

    def log_progress(message: Callable[[], str]) -> None:
        nonlocal last
        if time.monotonic() - last < interval:
            return
        last = time.monotonic()
        if write is None:
            logger.info("%s", message())
        else:
            write(message())

    return log_progress
