"""Slices of a log that may be large, and search in it. Each call reads a limited number of bytes."""

from __future__ import annotations

from pathlib import Path

from airflow_dlaas.contract.curves import LogChunk, LogMatch, LogMatches
from airflow_dlaas.service.api.log_lines import (
    PEEK_BYTES,
    complete_length,
    first_state_start,
    newest_state,
    part_length,
)
from airflow_dlaas.service.regular_file import open_regular_file

DEFAULT_SLICE_SIZE = 256 * 1024
"""Bytes of a slice, unless the request has another limit."""

MAX_SEARCH_BYTES = 16 * 1024**2
"""Bytes after which one search stops, at the end of a line. The client continues with another search from there."""

MAX_MATCHES = 200
"""Matching lines that one search returns."""

MAX_LINE_LENGTH = 500
"""Characters of a matching line that are returned."""


def read_slice(path: Path, *, start: int, limit: int, ended: bool) -> LogChunk:
    """
    Return whole lines from byte *start* on, *limit* bytes at most.

    A line that is longer than *limit* comes in several slices, a redrawn line in slices of whole states. An incomplete
    last line is left out, unless the log has *ended*, or the line is redrawn: then the states so far are returned (see
    `log_lines`). A *start* beyond the end counts as the end. A log that does not exist is empty.

    :raises OSError: the log is no regular file, or cannot be read.
    """
    try:
        file = open_regular_file(path)
    except FileNotFoundError:
        return LogChunk(text="", start=0, end=0, size=0, complete=ended)
    with file:
        size = file.seek(0, 2)
        start = min(start, size)
        file.seek(start)
        content = file.read(min(limit + PEEK_BYTES, size - start))
    if len(content) > limit:
        content = content[: part_length(content, limit)]
    elif not ended:
        complete = complete_length(content)
        content = content[:complete] if complete or len(content) < limit else content
    end = start + len(content)
    return LogChunk(
        text=content.decode("utf-8", "replace"), start=start, end=end, size=size, complete=ended and end == size
    )


def read_tail(path: Path, *, limit: int, ended: bool) -> LogChunk:
    """Return the last whole lines, *limit* bytes at most; see `read_slice`."""
    try:
        with open_regular_file(path) as file:
            size = file.seek(0, 2)
            start = max(0, size - limit)
            if start:
                file.seek(start - 1)
                # From the byte before: if a line begins exactly at `start`, only the newline before it is skipped.
                start += len(file.readline(limit + 1)) - 1
                if start == size:  # the last line is longer than the limit: return the end of it
                    file.seek(size - limit)
                    start = size - limit + first_state_start(file.read(limit))
    except FileNotFoundError:
        start = 0
    return read_slice(path, start=start, limit=limit, ended=ended)


def search(path: Path, text: str, *, start: int) -> LogMatches:
    """
    Return the lines from byte *start* on that contain *text*, in upper or lower case, as plain text.

    Of a redrawn line, the newest state is searched, and the match begins where that state begins.

    One call stops after `MAX_SEARCH_BYTES` bytes or `MAX_MATCHES` found lines. If there may be more, `next` is the
    byte at which to continue.

    :raises OSError: the log is no regular file, or cannot be read.
    """
    wanted = text.casefold()
    found: list[LogMatch] = []
    try:
        file = open_regular_file(path)
    except FileNotFoundError:
        return LogMatches(matches=())
    with file:
        # Some file systems refuse to seek beyond the end.
        position = start = min(start, file.seek(0, 2))
        file.seek(start)
        while line := file.readline(MAX_SEARCH_BYTES):
            shown, index = newest_state(line)
            if wanted in shown.casefold():
                found.append(LogMatch(start=position + index, line=shown[:MAX_LINE_LENGTH]))
            position += len(line)
            if len(found) == MAX_MATCHES or position - start >= MAX_SEARCH_BYTES:
                return LogMatches(matches=tuple(found), next=position)
    return LogMatches(matches=tuple(found))
