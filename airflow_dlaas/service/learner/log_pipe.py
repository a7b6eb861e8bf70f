"""
The pipe from a command to its log.

The command's stdout and stderr are a pipe, not the log file, so a command cannot change what is in the log. The pipe
has a name in the job directory; by it the runner finds processes that still write after their learner was killed. The
kernel applies back-pressure: a command that prints faster than the disk writes waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import select
import threading
import time
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from airflow_dlaas.service.learner.log_writer import LogWriter

PIPE_BYTES = 1024**2
"""Size of the pipe: the maximum for an unprivileged user. A command can print that much without waiting."""

READ_BYTES = 256 * 1024
"""Bytes read at once, and held in memory."""

DRAIN_TIMEOUT = 5.0
"""Seconds for the rest of the pipe after the last process has ended. It takes that long only if a process outside the
job has opened the pipe and continues to write."""


class LogPipe:
    """
    Copies what is written into the pipe at *path* to *log*, from a thread; a context manager.

    Each read goes to *log* at once; the newest state of a redrawn line is also written if the command then prints
    nothing more. Leaving the context copies what is in the pipe, and does not wait for processes that still hold it
    open.
    """

    def __init__(self, path: Path, log: LogWriter) -> None:
        self._path = path
        self._log = log
        self._ended_at: float | None = None

    def __enter__(self) -> Self:
        try:
            self._path.unlink(missing_ok=True)
            os.mkfifo(self._path, 0o600)
            self._reader = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            self.writer = os.open(self._path, os.O_WRONLY)
            """File descriptor for the command's stdout and stderr."""
        except OSError:  # full disk, or no pipes on this file system: use a pipe without a name
            self._reader, self.writer = os.pipe()
            os.set_blocking(self._reader, False)
        with contextlib.suppress(OSError):  # the user's limit of pipe memory is reached
            fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._wake = os.eventfd(0)
        self._thread = threading.Thread(target=self._copy, name="log", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_writer()
        self._ended_at = time.monotonic()
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)
        with contextlib.suppress(OSError):  # the command removed the user's rights to the job directory
            self._path.unlink(missing_ok=True)

    def close_writer(self) -> None:
        """Close `writer` in this process after the command has started, so that the pipe ends with its processes."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def _copy(self) -> None:
        ready = select.poll()
        ready.register(self._reader, select.POLLIN)
        ready.register(self._wake, select.POLLIN)
        try:
            while self._ended_at is None or time.monotonic() < self._ended_at + DRAIN_TIMEOUT:
                ended = self._ended_at is not None  # read before the pipe: what was written before is copied
                try:
                    output = os.read(self._reader, READ_BYTES)
                except BlockingIOError:
                    if ended:
                        return
                    seconds = self._log.write_due_state()
                    ready.poll(None if seconds is None else math.ceil(seconds * 1000))
                    continue
                if not output:
                    return
                self._log.write(output)
        finally:
            os.close(self._reader)  # so that no command waits for a reader that has ended
            self._log.write_pending_state()
