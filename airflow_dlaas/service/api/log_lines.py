"""
What of a log that grows is complete, and where a part of it may end. Pure functions of bytes.

A line is complete with its newline. A state of a redrawn line is complete at once: the learner writes it as a carriage
return and the state, in one write (`airflow_dlaas.service.learner.log_writer`).
"""

from __future__ import annotations

import re

from airflow_dlaas._util.terminal_text import plain_text

PEEK_BYTES = 2
"""Bytes after a part that have to be read to decide where it ends: a carriage return and a newline are a line's end."""

MAX_EMPTY_STATES = 100
"""Empty states at the end of a line, such as a removed progress bar, that are skipped to find one with text."""

_STATE_START = re.compile(rb"\r(?=[^\r\n])")


def complete_length(content: bytes) -> int:
    """
    Return the bytes of *content*, which reaches to the end of a file, that are whole lines and states.

    Carriage returns at the end are left out: they may be the first half of a line's end.
    """
    lines_end = content.rfind(b"\n") + 1
    end = len(content.rstrip(b"\r"))
    return _utf8_boundary(content, end) if content.find(b"\r", lines_end, end) >= 0 else lines_end


def part_length(content: bytes, limit: int) -> int:
    """
    Return the bytes of *content*, *limit* at most, after which a part may end: lines, then states of a redrawn line.

    A line or a state that is longer than *limit* is cut between two characters.

    :param content: more than *limit* bytes, with up to `PEEK_BYTES` bytes of what follows.
    """
    lines_end = content.rfind(b"\n", 0, limit) + 1
    state_start = content.rfind(b"\r", lines_end, limit + 1)
    if content[state_start : state_start + 2] == b"\r\n":
        state_start = content.rfind(b"\r", lines_end, state_start)
    return max(lines_end, state_start) or _utf8_boundary(content, limit) or limit


def first_state_start(content: bytes) -> int:
    """Return the index of the first state of a redrawn line in *content*; 0 without one."""
    found = _STATE_START.search(content)
    return found.start() if found else 0


def newest_state(line: bytes) -> tuple[str, int]:
    """
    Return the newest state of *line* as plain text, and the index in *line* at which it begins.

    A line that is not redrawn has one state, which begins at 0.
    """
    line = line.rstrip(b"\r\n")
    end = len(line)
    for _ in range(MAX_EMPTY_STATES):
        start = line.rfind(b"\r", 0, end)
        if start < 0:
            text = line[:end].decode("utf-8", "replace")
            return text if text.isprintable() else plain_text(text), 0
        # With its carriage return, so that it is read as a state.
        if text := plain_text(line[start:end].decode("utf-8", "replace")):
            return text, start
        end = start
    return "", end


def _utf8_boundary(content: bytes, end: int) -> int:
    """Return *end*, or up to three bytes less, so that no character in UTF-8 is split there."""
    for back in range(1, min(4, end) + 1):
        first = content[end - back]
        if first & 0b1100_0000 != 0b1000_0000:  # no continuation byte: the last character begins here
            width = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
            return end if width <= back else end - back
    return end
