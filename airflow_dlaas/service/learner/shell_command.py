"""
The argument list that runs a training's command in a shell. No I/O but the search for bash.

A command of several lines is either one line that was wrapped before its options, or a script (contract, section 5).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

BASH_PATHS = ("/bin/bash", "/usr/bin/bash")

SELECT_SHELL_SCRIPT = 'if command -v bash >/dev/null; then exec bash -e -c "$0"; else exec sh -e -c "$0"; fi'
"""Runs the script in ``$0`` with the best shell of a container's image."""


def normalize_command(command: str) -> str:
    """
    Return *command* as the shell gets it.

    If every line after the first begins with ``-``, the lines are joined by spaces, without the backslashes that
    continue them; else the lines stay as they are. Blank lines do not count. Line ends of Windows become ``\\n``: bash
    would take the ``\\r`` for the last character of a word.
    """
    command = command.replace("\r\n", "\n")
    lines = _non_blank_lines(command)
    if _is_script(lines):
        return command
    if "\n" not in command:
        return command.strip()
    return " ".join(_strip_continuation(line) for line in lines).strip()


def is_script(command: str) -> bool:
    """Return whether *command* is a script: several lines that are not one wrapped line."""
    return _is_script(_non_blank_lines(command.replace("\r\n", "\n")))


def shell_argv(command: str) -> list[str]:
    """Return the argument list that runs *command* on this machine: a script ends with its first failing line."""
    shell = next((one for one in BASH_PATHS if Path(one).exists()), "/bin/sh")
    return [shell, *(["-e"] if is_script(command) else []), "-c", normalize_command(command)]


def container_argv(command: str) -> list[str]:
    """Return the argument list for a container; the shell is selected inside, because images differ."""
    if is_script(command):
        return ["/bin/sh", "-c", SELECT_SHELL_SCRIPT, normalize_command(command)]
    return ["/bin/sh", "-c", normalize_command(command)]


def _non_blank_lines(command: str) -> list[str]:
    return [line for line in command.split("\n") if line.strip()]


def _is_script(lines: Sequence[str]) -> bool:
    return not all(line.lstrip().startswith("-") for line in lines[1:])


def _strip_continuation(line: str) -> str:
    """Return *line* without the backslash at its end; an even number of them are escaped backslashes."""
    text = line.rstrip()
    backslashes = len(text) - len(text.rstrip("\\"))
    return text[:-1] if backslashes % 2 else line
