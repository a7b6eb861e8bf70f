"""The log of a training as it arrives: whole lines, and the newest state of the line that is being written. No I/O."""

from __future__ import annotations

from airflow_dlaas._util.terminal_text import plain_text

MAX_OPEN_CHARACTERS = 64 * 1024
"""Characters of an unfinished line that are kept: a program may redraw one line for hours."""


class LogLines:
    """Splits text into lines. Control characters are removed or escaped, so that a terminal can show the result."""

    def __init__(self) -> None:
        self._open = ""

    def feed(self, text: str) -> list[str]:
        """Return the lines that *text* completes, without their ends; of a line that was redrawn, its last state."""
        *whole, self._open = (self._open + text).split("\n")
        if len(self._open) > MAX_OPEN_CHARACTERS:
            # Only the newest states count: what is before the last redraw but one cannot be shown any more.
            self._open = self._open[-MAX_OPEN_CHARACTERS:]
        return [plain_text(one) for one in whole]

    @property
    def current(self) -> str:
        """The newest state of the unfinished line: that of a progress bar, for example."""
        return plain_text(self._open)

    def rest(self) -> list[str]:
        """Return the unfinished line, if it is not empty: the log has ended."""
        text, self._open = self.current, ""
        return [text] if text else []
