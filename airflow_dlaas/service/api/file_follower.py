"""Incremental reads of a growing file: lines and states of a redrawn line, in chunks of limited size."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

from airflow_dlaas.service.api.log_lines import PEEK_BYTES, complete_length, part_length
from airflow_dlaas.service.regular_file import open_regular_file

CHUNK_SIZE = 64 * 1024
"""Bytes of a chunk at most. A longer line comes in several chunks."""

MAX_TAIL_BYTES = 16 * 1024**2
"""Bytes at the end of a file in which the last lines are searched. If they are longer, fewer lines are found."""


@dataclass(slots=True)
class FileFollower:
    """A reader of one file, which may not exist yet. ``offset`` is the byte at which the next chunk begins."""

    path: Path
    offset: int = 0
    may_have_more: bool = False
    """Whether the file had more than the last chunk, so that the next read may return more without a wait."""

    def read(self, *, ended: bool) -> bytes:
        """
        Return the next chunk; empty if there is no new complete line or state yet.

        A last line without a newline is held back until it is complete, unless it is being redrawn (see `log_lines`),
        the file has *ended* or the line is longer than a chunk.

        :param ended: whether the writer has ended, so that the file does not grow any more.
        """
        try:
            with open_regular_file(self.path) as file:
                file.seek(self.offset)
                chunk = file.read(CHUNK_SIZE + PEEK_BYTES)
        except FileNotFoundError:
            self.may_have_more = False
            return b""
        self.may_have_more = len(chunk) > CHUNK_SIZE
        if self.may_have_more:
            chunk = chunk[: part_length(chunk, CHUNK_SIZE)]
        elif not ended:
            chunk = chunk[: complete_length(chunk)]
        self.offset += len(chunk)
        return chunk


def tail_offset(path: Path, lines: int) -> int:
    """Return the byte at which the last *lines* lines of *path* begin. An incomplete last line counts as a line."""
    try:
        with open_regular_file(path) as file:
            end = file.seek(0, 2)
            if lines == 0:
                return end
            start, chunks, newlines = end, deque[bytes](), 0
            # The newline before each line is counted. A newline at the end of the file precedes no line.
            while start > 0 and end - start < MAX_TAIL_BYTES and newlines < lines:
                begin = max(0, start - CHUNK_SIZE)
                file.seek(begin)
                chunk = file.read(start - begin)
                newlines += chunk.count(b"\n") - (start == end and chunk.endswith(b"\n"))
                chunks.appendleft(chunk)
                start = begin
            tail = b"".join(chunks)
    except FileNotFoundError:
        return 0
    position = len(tail) - 1
    for _ in range(lines):
        position = tail.rfind(b"\n", 0, max(position, 0))
        if position < 0:
            return start
    return start + position + 1
