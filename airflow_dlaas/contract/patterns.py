"""
Names and globs that select files. No I/O.

A parameter for patterns accepts one text or a sequence of texts. Only `parse_patterns` reads such a parameter; the
functions that compare names accept its result only, so that the letters of a text never count as patterns.
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
"""A path with one of these characters is a glob."""

Patterns: TypeAlias = str | Sequence[str] | None
"""One pattern, several patterns, or no value."""


def parse_patterns(value: object, parameter: str) -> tuple[str, ...] | None:
    """
    Return the patterns in *value* of *parameter*: a text is one pattern; None means that there is no value.

    :raises InvalidArgument: *value* is neither a text nor a sequence of texts; a text is empty, is a Python list as a
        text (a template returns that unless it is rendered natively), or can match no file.
    """
    texts = _parse_strings(value, parameter, "pattern")
    for place, one in texts or ():
        if not one:
            raise InvalidArgument(f"{place}: the pattern is empty. Name the files by a text such as '*.csv'")
        if one.startswith(("/", "./", "../")) or one != one.strip("\r\n"):
            # Such a pattern would exclude nothing: with delete=True, objects that must stay would be deleted.
            raise InvalidArgument(
                f"{place}: {format_value(one)} matches no file. Patterns are compared with paths below the source, "
                "such as 'data/a.csv': a pattern begins with no slash, './' or '../', and has no line break at its ends"
            )
    return None if texts is None else tuple(one for _, one in texts)


def parse_object_names(value: object, parameter: str = "names") -> tuple[str, ...] | None:
    """
    Return the object names in *value* of *parameter*: a text is one name; None means that there is no value.

    :raises InvalidArgument: as in `parse_patterns`.
    :raises InvalidName: a text cannot be the name of an object.
    """
    texts = _parse_strings(value, parameter, "name")
    return None if texts is None else tuple(require_object_name(one, place) for place, one in texts)


def matches_any(name: str, patterns: tuple[str, ...]) -> bool:
    """
    Whether one of *patterns* matches the file *name*, a path below a folder.

    A pattern is a shell pattern (``*.py``, ``data/*``). It is compared with the whole path, with each of its components
    and with each folder above the file, so that the name of a folder matches everything in it.
    """
    if not patterns:
        return False
    components = name.split("/")
    candidates = {"/".join(components[:depth]) for depth in range(1, len(components) + 1)} | set(components)
    return any(fnmatchcase(candidate, pattern.rstrip("/")) for candidate in candidates for pattern in patterns)


def is_selected(name: str, include: tuple[str, ...] | None, exclude: tuple[str, ...]) -> bool:
    """Whether *include* matches *name* or is None, and *exclude*, which takes precedence, does not match it."""
    return (include is None or matches_any(name, include)) and not matches_any(name, exclude)


def _parse_strings(value: object, parameter: str, noun: str) -> list[tuple[str, str]] | None:
    """Return each text with its place for messages: the parameter, or an item of it."""
    if value is None:
        return None
    if isinstance(value, str):
        given: list[tuple[str, object]] = [(parameter, value)]
    elif isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        given = [(f"{parameter}[{index}]", one) for index, one in enumerate(value)]
    else:
        raise InvalidArgument(
            f"{parameter}: {format_value(value)} is not a {noun}. Give a {noun} as a text, or a list of them"
        )
    texts: list[tuple[str, str]] = []
    for place, one in given:
        if not isinstance(one, str):
            raise InvalidArgument(
                f"{place}: {format_value(one)} is not a {noun}: a {noun} is a text. A template that is "
                "rendered natively turns a text that looks like a number into one: put such a text in quotes"
            )
        if _is_list_literal(one):
            raise InvalidArgument(
                f"{place}: {format_value(one)} is a list as a text, which would be one {noun}. Have the template "
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
