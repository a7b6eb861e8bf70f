"""
Reads the new lines of a growing file, and the states of a line that is redrawn.

A progress bar redraws its line after a carriage return. The log then has each state that the log writer kept as
``\\r<state>``, and a newline only when the line has ended; a state is written at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from airflow_dlaas.service.regular_file import open_regular_fd

CHUNK_BYTES = 1 << 16

MAX_BACKLOG_BYTES = 4 * 1024**2
"""Bytes read in one pass; of more output, only the end is read, because no program prints metrics that fast."""

MAX_LINE_BYTES = 4096
"""Bytes of a line that are kept, from its end, where metrics are."""

_SEPARATOR = re.compile(rb"(\r{0,2}\n|\r(?!\r?\Z))")
"""The end of a line or of a state. A carriage return at the end of what was read may belong to the end of a line."""


class LineState(NamedTuple):
    """A line without its end, or one state of a line that is redrawn."""

    text: str
    is_redrawn: bool
    """Whether it is no whole line: a newer state replaces it, or may do so."""


@dataclass(slots=True)
class TailReader:
    """Reads new complete lines of a growing file; of a line without an end, the last `MAX_LINE_BYTES` are kept."""

    path: Path
    offset: int = 0
    _partial: bytes = field(default=b"", repr=False)
    """What follows the last line end or carriage return."""
    _is_redrawn: bool = False
    """Whether a carriage return precedes `_partial`."""
    _shown: bytes = field(default=b"", repr=False)
    """The state at the end of the file that was yielded last."""

    def read_lines(self, *, final: bool = False) -> Iterator[str]:
        """Yield the lines since the last call, each in its last state; with *final*, also an incomplete one."""
        for text, is_redrawn in self.read_states(final=final):
            if not is_redrawn:
                yield text

    def read_states(self, *, final: bool = False) -> Iterator[LineState]:
        """
        Yield the lines since the last call, and each state of the lines that are redrawn.

        The newest state of a line that has not ended is yielded at once, and again as a line when the line ends.

        :param final: yield also an incomplete line.
        """
        try:
            file = os.fdopen(open_regular_fd(self.path, os.O_RDONLY), "rb")
        except OSError:  # missing, or no regular file
            return
        with file:
            end = file.seek(0, os.SEEK_END)
            if not end - MAX_BACKLOG_BYTES <= self.offset <= end:  # beyond the end if the file was truncated
                self.offset = max(0, end - MAX_BACKLOG_BYTES) if self.offset < end else end
                self._partial, self._is_redrawn, self._shown = b"", False, b""
            file.seek(self.offset)
            while chunk := file.read(min(CHUNK_BYTES, end - self.offset)):
                self.offset += len(chunk)
                yield from self._split(self._partial + chunk)
        rest = self._partial.rstrip(b"\r")
        if final and rest:
            yield _state(rest, is_redrawn=False)
            self._partial = b""
        elif self._is_redrawn and rest not in (b"", self._shown):
            self._shown = rest
            yield _state(rest, is_redrawn=True)

    def _split(self, content: bytes) -> Iterator[LineState]:
        *pieces, self._partial = _SEPARATOR.split(content)
        self._partial = self._partial[-MAX_LINE_BYTES:]
        for piece, separator in zip(pieces[::2], pieces[1::2], strict=True):
            is_line = separator != b"\r"
            if is_line or piece not in (b"", self._shown):
                yield _state(piece, is_redrawn=not is_line)
            self._is_redrawn, self._shown = not is_line, b""


def _state(content: bytes, *, is_redrawn: bool) -> LineState:
    return LineState(content[-MAX_LINE_BYTES:].decode("utf-8", "replace"), is_redrawn)
