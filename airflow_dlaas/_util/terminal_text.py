"""
Text that a program wrote for a terminal, made safe and plain for another place: a log, a page, a table.

A program redraws a line with a carriage return, colours it with escape sequences, and may print any control character.
A terminal that receives them obeys: the text can hide lines, or change the window's title. Pure functions.
"""

from __future__ import annotations

import re

_ESCAPE_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, movements of the cursor
    r"|\x1b\][^\x07\x1b\n]{0,1000}(?:\x07|\x1b\\)"  # OSC: the title of the window, links
    r"|\x1b[()][0-9A-Za-z]"  # the character set
)
"""The escape sequences of ECMA-48 that programs print."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters other than tab and newline, and those that change the direction of the text."""

_CONTROL_OR_LINE_END = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_SHORT_ESCAPES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def escape_control_characters(text: str, *, single_line: bool = False) -> str:
    r"""
    Return *text* with each control character as its escape: ``\x1b``, ``\r``, ``\u202e``.

    Tab and newline stay, unless the result must be a *single_line*: then they are escaped too.
    """
    return (_CONTROL_OR_LINE_END if single_line else _CONTROL_CHARACTER).sub(_escape, text)


def collapse_redraws(text: str) -> str:
    """
    Return *text* with the newest state of each line: what comes after the last carriage return in it.

    A carriage return before a newline, as Windows ends lines, is part of the line's end. A line whose last state is
    empty keeps the state before: a progress bar is removed like that when it ends. Backspaces at the end of a state
    only move the cursor back to its beginning.
    """
    if "\r" not in text:
        return text
    return "\n".join(_newest_state(line) for line in text.split("\n"))


def plain_text(text: str) -> str:
    """
    Return *text*, lines of a log, as a person should read it where no terminal interprets it.

    Redrawn lines are collapsed, colours and cursor movements are removed, other control characters are escaped.
    """
    return escape_control_characters(collapse_redraws(_ESCAPE_SEQUENCE.sub("", text)))


def _newest_state(line: str) -> str:
    states = [state for state in line.split("\r") if state.strip("\b")]
    return states[-1].rstrip("\b") if states else ""


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT_ESCAPES.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
