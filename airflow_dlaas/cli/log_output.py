r"""
Prints the log of a training, which a program wrote that may print anything.

To a terminal, a carriage return redraws the line and colours are kept; movements of the cursor are left out, and all
other control characters are shown as escapes: a log must not hide its lines or change the window's title. To a pipe or
a file, each line is plain text, printed once it is complete; a progress bar is one line, its newest state. So that a
long bar does not look like a training that hangs, its state is printed too if no other line was for `STATE_INTERVAL`.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import typer
from typing_extensions import Self

from airflow_dlaas._util.terminal_text import escape_control_characters, plain_text

STATE_INTERVAL = 10.0
"""Seconds without a complete line after which the newest state of a redrawn line is printed to a pipe or a file."""

MAX_PARTIAL_LINE = 64 * 1024
"""Characters of an incomplete line that are held for a pipe or a file; of a longer one, parts are printed."""

_CLEAR_LINE = "\r\x1b[K"
_RESET_COLOURS = "\x1b[0m"
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_OTHER_SEQUENCE = re.compile(r"\x1b\[(?![0-9;:]*m)[0-?]*[ -/]*[@-~]")
_KEPT = re.compile(r"(\x1b\[[0-9;:]*m|\x08*\r\n?)")


def terminal_text(text: str) -> str:
    """Return *text* of a log as a terminal may receive it: redraws and colours, other control characters escaped."""
    pieces = _KEPT.split(_OTHER_SEQUENCE.sub("", text))
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            pieces[index] = escape_control_characters(piece)
        elif not piece.startswith("\x1b"):
            # Cleared: a state may be shorter than the one before, and states between them may be left out.
            pieces[index] = "\n" if piece.endswith("\n") else _CLEAR_LINE
    return "".join(pieces)


@dataclass(slots=True)
class TerminalLog:
    """A log for a terminal; see `terminal_text`."""

    _has_colours: bool = False
    _is_at_line_start: bool = True

    def feed(self, text: str, now: float) -> str:  # noqa: ARG002 - as `PlainLog`
        """Return what is to be printed of *text*."""
        if not text:
            return ""
        self._has_colours = self._has_colours or bool(_COLOUR.search(text))
        self._is_at_line_start = text.endswith("\n")
        return terminal_text(text)

    def finish(self) -> str:
        """Return what is to be printed at the end: the terminal's own colours, and a newline after a last state."""
        return (_RESET_COLOURS if self._has_colours else "") + ("" if self._is_at_line_start else "\n")


@dataclass(slots=True)
class PlainLog:
    """A log for a pipe or a file: plain lines, each once it is complete."""

    _partial_line: str = field(default="", repr=False)
    _printed_state: str = ""
    """The state of the partial line that was printed as a line of its own."""
    _printed_at: float | None = None

    def feed(self, text: str, now: float) -> str:
        """Return what is to be printed after *text*; *now* in seconds."""
        lines, newline, self._partial_line = (self._partial_line + text).rpartition("\n")
        printed = ""
        if newline:
            first, separator, others = plain_text(lines).partition("\n")
            printed = self._unless_printed(first) + (f"{others}\n" if separator else "")
            self._printed_state = ""
        elif len(self._partial_line) > MAX_PARTIAL_LINE:
            printed = self._shorten_partial_line()
        if printed or self._printed_at is None:
            self._printed_at = now
        elif "\r" in self._partial_line and now - self._printed_at >= STATE_INTERVAL:
            state = plain_text(self._partial_line)
            printed, self._printed_state, self._printed_at = self._unless_printed(state), state, now
        return printed

    def finish(self) -> str:
        """Return what is to be printed at the end: an incomplete last line."""
        rest, self._partial_line = plain_text(self._partial_line), ""
        return self._unless_printed(rest) if rest else ""

    def _unless_printed(self, line: str) -> str:
        return "" if self._printed_state and line == self._printed_state else f"{line}\n"

    def _shorten_partial_line(self) -> str:
        """Drop all states but the newest; of a line that is not redrawn, return its beginning to print."""
        line = self._partial_line
        start = line.rfind("\r", 0, len(line.rstrip("\r")))
        if start >= 0 and len(line) - start <= MAX_PARTIAL_LINE:
            self._partial_line = line[start:]
            return ""
        self._partial_line = ""
        return plain_text(line)


class LogOutput:
    """
    Prints the log of one training to stdout, or to stderr; a context manager, whose end prints an incomplete last line.

    :param err: whether to print to stderr.
    """

    def __init__(self, *, err: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        stream = sys.stderr if err else sys.stdout
        self._log = TerminalLog() if stream.isatty() and os.environ.get("TERM") != "dumb" else PlainLog()
        self._err = err
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._echo(self._log.finish())

    def print_log_text(self, text: str) -> None:
        """Print *text*, the next part of the log."""
        self._echo(self._log.feed(text, self._clock()))

    def _echo(self, text: str) -> None:
        if text:
            typer.echo(text, nl=False, err=self._err)
