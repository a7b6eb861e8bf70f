"""
The only writer of a training's log.

The command's output reaches the log through a pipe (`log_pipe`), so the command has no handle on the file. Everything
that must hold for each byte of a log belongs here: its size limit, the states of redrawn lines, and the masking of
secrets. All bytes pass through `LogWriter._append`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from airflow_dlaas._util.terminal_text import escape_control_characters
from airflow_dlaas.service.learner.log_file import LOG_PREFIX
from airflow_dlaas.service.learner.redraws import RedrawThinner
from airflow_dlaas.service.learner.secret_mask import NO_SECRETS, MaskedStream, SecretMask


class LogWriter:
    """
    Writes a log of at most *limit* bytes and one line that states the limit. Thread-safe. A call returns when its text
    is in the file, except for a state of a redrawn line: at most one a second is written, in one write as a carriage
    return and the state (`RedrawThinner`). The newest one is held until `write_due_state` or until more is written.

    It continues the log of the training's earlier attempts, which counts for the limit too.

    The secrets of *mask* are masked, also when a write has only a part of one: bytes that may be the beginning of a
    secret are held until a further write or `write_pending_state` (`MaskedStream`).

    A full disk does not stop the command: *logger* gets the reason, and the log states how many bytes are missing once
    there is room again.

    :raises OSError: the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        limit: int,
        logger: logging.Logger,
        *,
        mask: SecretMask = NO_SECRETS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o666)
        self._limit = limit
        self._logger = logger
        self._clock = clock
        self.mask = mask
        """The secrets of the training, for other texts about it."""
        self._masked = MaskedStream(mask.forms) if mask.forms else None
        self._redraws = RedrawThinner()
        self.output_at: float | None = None
        """When the command wrote last, by *clock*, also if the log is full; None before its first output."""
        self._lock = threading.Lock()
        self._size = os.fstat(self._file).st_size
        self._at_line_start = not self._size or os.pread(self._file, 1, self._size - 1) == b"\n"
        self._is_full = False
        self._missing_bytes = 0
        """Bytes that could not be written since the last successful write."""
        self._write_error = ""

    def write(self, output: bytes) -> None:
        """Append *output* of the command; what exceeds the limit is dropped."""
        self.output_at = self._clock()
        with self._lock:
            if self._is_full:
                return
            self._append_output(output if self._masked is None else self._masked.feed(output))

    def write_due_state(self) -> float | None:
        """Write the newest state of a redrawn line if it is due; return the seconds until the next one is, if any."""
        with self._lock:
            now = self._clock()
            self._append_within_limit(self._redraws.take_due(now))
            return self._redraws.seconds_until_due(now)

    def write_pending_state(self) -> None:
        """Write all that is held, due or not: the command has ended."""
        with self._lock:
            if self._masked is not None and not self._is_full:
                self._append_output(self._masked.finish())
            self._append_pending_state()

    def write_message(self, text: str) -> None:
        """
        Append lines of the learner, each at the start of a line, also beyond the limit.

        They may repeat texts of others, such as names of files: secrets are masked, control characters are escaped.
        """
        with self._lock:
            # What may be the beginning of a secret is still held: it is written after this message.
            self._append_pending_state()
            for line in escape_control_characters(self.mask.text(text)).splitlines():
                self._append_line(line)

    def close(self) -> None:
        """Close the file; nothing can be written any more."""
        with self._lock:
            self._append_pending_state()
            os.close(self._file)

    def _append_output(self, output: bytes) -> None:
        """Append *output*, which has no secrets."""
        if b"\r" in output or self._redraws.is_redrawn:  # else the output passes as it is
            output = self._redraws.feed(output, self._clock())
        self._append_within_limit(output)

    def _append_pending_state(self) -> None:
        self._append_within_limit(self._redraws.take_pending(self._clock()))

    def _append_within_limit(self, output: bytes) -> None:
        room = max(0, self._limit - self._size)
        self._append(output if len(output) <= room else output[:room])
        if len(output) > room:
            self._is_full, self._redraws = True, RedrawThinner()
            self._append_line(f"The log ends here: the limit is {self._limit} bytes. The command continues")

    def _append_line(self, text: str) -> None:
        line = f"{LOG_PREFIX}{text}\n".encode("utf-8", "backslashreplace")
        self._append(line if self._at_line_start else b"\n" + line)

    def _append(self, data: bytes) -> None:
        if self._missing_bytes and data:
            note = f"\n{LOG_PREFIX}{self._missing_bytes} bytes are missing here: {self._write_error}\n".encode()
            if self._write(note):
                self._missing_bytes += len(data)
                return
            self._missing_bytes = 0
        self._missing_bytes += self._write(data)

    def _write(self, data: bytes) -> int:
        """Write *data*; return the number of bytes at its end that could not be written."""
        left = memoryview(data)
        try:
            while left:
                count = os.write(self._file, left)
                self._size += count
                self._at_line_start = left[count - 1] == ord("\n")
                left = left[count:]
        except OSError as error:
            if not self._missing_bytes:
                self._write_error = error.strerror or str(error)
                self._logger.warning("The log cannot be written: %s", self._write_error)
        return len(left)
