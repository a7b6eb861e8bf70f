"""Finds the reason of a failure in the end of a training's log. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_dlaas._util.terminal_text import plain_text
from airflow_dlaas.plugin.response_models import Failure

MAX_LINES = 20
"""Lines of the log that a page shows with the reason."""

MAX_LINE_LENGTH = 1000
"""Characters of a line that a page shows."""

LEARNER_PREFIX = "[dlaas] "
"""Start of the lines that the service adds to a command's log; its errors have their text already."""

_ATTEMPT = re.compile(r"^\[dlaas\] (?:\S+ \(attempt \d+\) runs on|Attempt \d+ begins) ")
"""What the service writes before the output of a further attempt: the errors above it are those of earlier ones."""

_RANK = re.compile(r"^\[[\w-]*rank\d+\]:\s?")
"""What torch writes before each line of a worker process: ``[rank0]: ``."""

_TRACEBACK = re.compile(r"^[\s|+]*(?:Exception Group )?Traceback \(most recent call last\):$")

_GROUP_MARGIN = re.compile(r"^ *[|+] ")
"""What Python writes before each line of a group of exceptions."""

_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Interrupt)(?::(?: .*)?)?$")
"""The last line of a traceback, also of one without a heading, such as that of a SyntaxError."""

_ANY_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?::(?: .*)?)?$")
"""The last line of a traceback that has a heading: any class may end it."""

_PROGRAM_ERROR = re.compile(
    r"^Killed$"  # by the kernel, mostly for want of memory
    r"|^\S+: line \d+: .*"  # bash, also of a process that a signal ended: "main.sh: line 3: 71 Killed  python3 …"
    r"|: (?:command )?not found$"
    r"|^(?:Segmentation fault|Bus error|Aborted|Illegal instruction)\b.*"
    r"|\bCUDA.*(?:out of memory|OUT_OF_MEMORY)|\bOOM when allocating\b"
    r"|: can't open file .*"
    r"|^[\w./-]+: error: .*"  # argparse, compilers
)
"""Errors without a traceback: of the shell, of the kernel, of the driver, and of a command line."""

_WRAPPERS = ("ChildFailedError", "CalledProcessError")
"""Exceptions that only report that another process failed, whose own error is above."""


def find_failure(log_tail: str) -> Failure:
    """Return the last lines of a log, and its last error; *log_tail* is whole lines of the log's end."""
    lines = [line[:MAX_LINE_LENGTH].rstrip() for line in plain_text(log_tail.replace("\r\n", "\n")).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return Failure(exception=find_exception(lines), lines=lines[-MAX_LINES:])


def find_exception(lines: Sequence[str]) -> str | None:
    """
    Return the last error in *lines*, plain lines of a log: the last line of a traceback, or an error of a program.

    Of chained tracebacks, this is the exception that was raised last. The errors of earlier attempts do not count: the
    training went on after them. An exception that only reports the failure of
    another process is returned if there is no other error.
    """
    found: str | None = None
    wrapper: str | None = None
    in_traceback = False
    for raw in lines:
        if raw.startswith(LEARNER_PREFIX):
            if _ATTEMPT.match(raw):
                found, wrapper, in_traceback = None, None, False
            continue
        line = _RANK.sub("", raw)
        if _TRACEBACK.match(line):
            in_traceback = True
            continue
        text = _GROUP_MARGIN.sub("", line)
        if in_traceback and (not text or text[0].isspace()):
            continue
        ends_traceback = in_traceback and _ANY_EXCEPTION.match(text)
        in_traceback = False
        if not (ends_traceback or _EXCEPTION.match(text) or _PROGRAM_ERROR.search(text)):
            continue
        if text.partition(":")[0].rpartition(".")[2] in _WRAPPERS:
            wrapper = text
        else:
            found = text
    return found or wrapper
