"""Windows on a log that may be large: a few lines from anywhere in it, and the lines that hold a text."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.contract.curves import LogChunk, LogMatch, LogMatches
from airflow_dlaas.service.regular_file import open_regular_file

DEFAULT_SLICE_SIZE = 256 * 1024
"""Bytes of one piece unless another size is asked for."""

MAX_SEARCH_BYTES = 16 * 1024**2
"""Bytes that one search looks through: a page asks on from there."""

MAX_MATCHES = 200
"""Lines that one search tells."""

MAX_LINE_LENGTH = 500
"""Characters told of a line that matches."""


def read_slice(path: Path, *, start: int, limit: int, ended: bool) -> LogChunk:
    """
    Read whole lines from byte *start* on, *limit* bytes at most.

    A line that is longer than *limit* comes in several pieces. What is still being written waits, unless the log has
    *ended*. A *start* beyond the end is the end.
    """
    try:
        file = open_regular_file(path)
    except FileNotFoundError:
        return LogChunk(text="", start=0, end=0, size=0, complete=ended)
    with file:
        size = file.seek(0, 2)
        start = min(start, size)
        file.seek(start)
        content = file.read(min(limit, size - start))
    if not (ended and start + len(content) == size):
        whole = content.rfind(b"\n") + 1
        if whole:
            content = content[:whole]
        elif len(content) < limit:
            content = b""
    end = start + len(content)
    return LogChunk(
        text=content.decode("utf-8", "replace"), start=start, end=end, size=size, complete=ended and end == size
    )


def read_tail(path: Path, *, limit: int, ended: bool) -> LogChunk:
    """Read the last whole lines, *limit* bytes at most."""
    try:
        with open_regular_file(path) as file:
            size = file.seek(0, 2)
            start = max(0, size - limit)
            if start:
                file.seek(start - 1)
                # From the byte before on: a window that begins where a line does loses none.
                start += len(file.readline(limit + 1)) - 1
                if start == size:  # one line is longer than the window: its end is shown
                    start = size - limit
    except FileNotFoundError:
        start = 0
    return read_slice(path, start=start, limit=limit, ended=ended)


def search(path: Path, text: str, *, start: int) -> LogMatches:
    """
    Look for *text*, whatever its case, in the lines from byte *start* on.

    One call looks through `MAX_SEARCH_BYTES` bytes and tells `MAX_MATCHES` lines at most; `next` says where to go on.
    """
    wanted = text.casefold()
    found: list[LogMatch] = []
    try:
        file = open_regular_file(path)
    except FileNotFoundError:
        return LogMatches(matches=())
    with file:
        # Beyond the end is the end, and not every file system can be asked for more.
        at = start = min(start, file.seek(0, 2))
        file.seek(start)
        while line := file.readline(MAX_SEARCH_BYTES):
            if wanted in line.decode("utf-8", "replace").casefold():
                shown = line.decode("utf-8", "replace").rstrip("\r\n")[:MAX_LINE_LENGTH]
                found.append(LogMatch(start=at, line=shown))
            at += len(line)
            if len(found) == MAX_MATCHES or at - start >= MAX_SEARCH_BYTES:
                return LogMatches(matches=tuple(found), next=at)
    return LogMatches(matches=tuple(found))
