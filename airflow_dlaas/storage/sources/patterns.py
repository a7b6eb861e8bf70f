"""
Names and globs that select files. No I/O.

A parameter for patterns accepts one text or a sequence of texts. `parse_patterns` is the one place that reads it; the
functions that compare names accept its result only, so that a text is never taken letter by letter.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from airflow_dlaas.contract.format_value import format_value
from airflow_dlaas.contract.store_names import require_object_name
from airflow_dlaas.exceptions import InvalidArgument

GLOB_CHARACTERS = frozenset("*?[")
"""What makes a path a glob."""

Patterns: TypeAlias = str | Sequence[str] | None
"""One pattern, several, or none given."""


def parse_patterns(value: object, parameter: str) -> tuple[str, ...] | None:
    """
    Read the patterns given for *parameter*: a text is one pattern; None, which means none given, stays None.

    :raises InvalidArgument: anything else than a text or a sequence of texts; an empty text; a text that is a list
        written out, as a template makes of one unless it is rendered natively; one that can match no file.
    """
    texts = _parse_strings(value, parameter, "pattern")
    for place, one in texts or ():
        if not one:
            raise InvalidArgument(f"{place}: the pattern is empty. Name the files by a text such as '*.csv'")
        if one.startswith(("/", "./", "../")) or one != one.strip("\r\n"):
            # Left as it is, it would exclude nothing: with delete=True, files that were to stay are then deleted.
            raise InvalidArgument(
                f"{place}: {format_value(one)} matches no file. Patterns are compared with paths below the source, such as "
                "'data/a.csv': begin with no slash and no dot step, and have no line break at the ends"
            )
    return None if texts is None else tuple(one for _, one in texts)


def parse_object_names(value: object, parameter: str = "names") -> tuple[str, ...] | None:
    """
    Read the names of objects given for *parameter*: a text is one name; None stays None.

    :raises InvalidArgument: as `parse_patterns`.
    :raises InvalidName: a text that cannot be the name of an object.
    """
    texts = _parse_strings(value, parameter, "name")
    return None if texts is None else tuple(require_object_name(one, place) for place, one in texts)


def matches_any(name: str, patterns: tuple[str, ...]) -> bool:
    """
    Whether one of *patterns* means the file *name*, a path below some folder.

    They are those of a shell (``*.py``, ``data/*``) and are compared with the whole path, with its last part and with
    each folder above it, so that a folder's name means everything in it.
    """
    if not patterns:
        return False
    steps = name.split("/")
    spellings = {"/".join(steps[:depth]) for depth in range(1, len(steps) + 1)} | set(steps)
    return any(fnmatchcase(spelling, pattern.rstrip("/")) for spelling in spellings for pattern in patterns)


def is_selected(name: str, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> bool:
    """Whether *name* is among *include*, where that is given, and not among *exclude*, which wins."""
    return (include is None or matches_any(name, include)) and not matches_any(name, exclude)


def _parse_strings(value: object, parameter: str, noun: str) -> list[tuple[str, str]] | None:
    """Return each text with the place it stands at: the parameter, or one of its items."""
    if value is None:
        return None
    if isinstance(value, str):
        given: list[tuple[str, object]] = [(parameter, value)]
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        given = [(f"{parameter}[{index}]", one) for index, one in enumerate(value)]
    else:
        raise InvalidArgument(
            f"{parameter}: {format_value(value)} is no {noun}. Give a {noun} as a text, or a list of them"
        )
    texts: list[tuple[str, str]] = []
    for place, one in given:
        if not isinstance(one, str):
            raise InvalidArgument(
                f"{place}: {format_value(one)} is no {noun}, since a {noun} is a text. A template that is "
                "rendered natively turns a text that looks like a number into one: put such a text in quotes"
            )
        if _is_list_literal(one):
            raise InvalidArgument(
                f"{place}: {format_value(one)} is a list written out as a text, which would be one {noun}. Have the template "
                "rendered natively (render_template_as_native_obj=True), or give the list itself"
            )
        texts.append((place, one))
    return texts


def _is_list_literal(text: str) -> bool:
    text = text.strip()
    if text[:1] + text[-1:] not in {"[]", "()"}:
        return False
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value)
