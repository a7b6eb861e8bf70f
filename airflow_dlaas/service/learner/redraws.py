"""
Fewer states of a line that a command redraws, such as a progress bar.

A program redraws a line with a carriage return. A bar at 10 Hz would have 36,000 states in an hour; one a second
remains of them. The result is a valid stream for a terminal: each state is written as a carriage return and the state.
Bytes in, bytes out: no I/O, no clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REDRAW_INTERVAL = 1.0
"""Seconds between two states of a redrawn line: as fast as a page or a task's log shows them."""

MAX_STATE_BYTES = 16 * 1024
"""Bytes of a state that is held in memory. No progress bar is longer; a longer text passes as it is."""

_LINE_CHANGE = re.compile(rb"\x1b\[[0-9;]*[ABEFHf]")
"""Movements of the cursor to another line: several bars at once. Without one of them, the next ones go astray."""


@dataclass(slots=True)
class RedrawThinner:
    """
    Decides what of a command's output is written, and when.

    Text without a carriage return passes unchanged and at once; so do lines that end with CR LF. Of a redrawn line, the
    newest state is held, and returned at most once per `REDRAW_INTERVAL`, or with the newline that ends the line. A
    line that moves the cursor to another line passes unchanged, from there on.
    """

    is_redrawn: bool = False
    """Whether the present line has a carriage return."""
    _passes: bool = False
    """Whether the rest of the present line passes unchanged."""
    _state: bytes = field(default=b"", repr=False)
    """The newest state of the present line that is not empty."""
    _is_open: bool = False
    """Whether more text continues the state; not after a carriage return."""
    _is_pending: bool = False
    """Whether the state has not been returned yet, as it is now."""
    _returned_at: float = float("-inf")

    def feed(self, output: bytes, now: float) -> bytes:
        """Return what is to be written after the command has printed *output*; *now* in seconds."""
        if not self.is_redrawn and (b"\r" not in output or b"\r" not in output.replace(b"\r\n", b"\n")):
            return output
        *lines, rest = output.split(b"\n")
        written = [self._end_line(line) for line in lines]
        written += [self._extend(rest), self.take_due(now)]
        return b"".join(written)

    def seconds_until_due(self, now: float) -> float | None:
        """Return the seconds after which `take_due` returns a state; None if no state is pending."""
        return max(0.0, self._returned_at + REDRAW_INTERVAL - now) if self._is_pending else None

    def take_due(self, now: float) -> bytes:
        """Return the pending state if `REDRAW_INTERVAL` has passed since the one before; else nothing."""
        return self.take_pending(now) if self.seconds_until_due(now) == 0 else b""

    def take_pending(self, now: float) -> bytes:
        """Return the pending state at once, if there is one."""
        if not self._is_pending:
            return b""
        self._is_pending, self._returned_at = False, now
        return b"\r" + self._state

    def _end_line(self, rest: bytes) -> bytes:
        """Return what is to be written of the line's *rest* and its newline."""
        written = self._extend(rest)
        if self.is_redrawn and not self._passes:
            if self._is_pending:
                written += b"\r" + self._state
            elif not self._state:
                written += b"\r"  # of CR LF
        self.is_redrawn = self._passes = self._is_open = self._is_pending = False
        self._state = b""
        return written + b"\n"

    def _extend(self, text: bytes) -> bytes:
        """Take *text* of the present line; return what is to be written of it now, whatever the time."""
        if self._passes:
            return text
        before = b""
        if not self.is_redrawn:
            before, carriage_return, text = text.partition(b"\r")
            if not carriage_return:
                return before
            self.is_redrawn = True
        first, *others = text.split(b"\r")
        if first:
            self._state = self._state + first if self._is_open else first
            self._is_open = self._is_pending = True
        for index, state in enumerate(others):
            if self._has_to_pass():
                return before + self._pass(others[index:])
            self._is_open = bool(state)
            if state:
                self._state, self._is_pending = state, True
        return before + self._pass([]) if self._has_to_pass() else before

    def _has_to_pass(self) -> bool:
        state = self._state
        return self._is_pending and (
            len(state) > MAX_STATE_BYTES or (b"\x1b" in state and bool(_LINE_CHANGE.search(state)))
        )

    def _pass(self, following: list[bytes]) -> bytes:
        self._passes, self._is_pending = True, False
        return b"".join(b"\r" + state for state in (self._state, *following))
