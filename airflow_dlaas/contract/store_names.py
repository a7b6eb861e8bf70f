"""
Names in an object store: containers, prefixes (folders) and objects. No I/O.

Only this module decides which names are valid. Uploads and downloads use the same rules, so that each object that can
be stored can be downloaded. Objects that other programs stored under other names can be listed, read and deleted.
"""

from __future__ import annotations

import unicodedata

from airflow_dlaas.contract.format_value import format_value
from airflow_dlaas.exceptions import InvalidName

MAX_CONTAINER_NAME_BYTES = 256
"""The most bytes of a container's name in UTF-8 (Swift's default ``max_container_name_length``)."""

MAX_OBJECT_NAME_BYTES = 1024
"""The most bytes of an object's name in UTF-8 (Swift's default ``max_object_name_length``)."""

MAX_PATH_COMPONENT_BYTES = 255
"""The most bytes of a path component, between two slashes: the longest file name of common file systems."""


def require_container_name(value: object, parameter: str = "container") -> str:
    """
    Return *value* if it is the name of a container.

    :raises InvalidName: *value* is not one; the message begins with *parameter*.
    """
    problem = container_name_problem(value) or _typo_problem(value)
    if problem is None:
        return str(value)
    raise InvalidName(
        f"{parameter}: {format_value(value)} is not the name of a container: it {problem}. A container's name is a "
        f"text of 1 to {MAX_CONTAINER_NAME_BYTES} bytes without a slash"
    )


def require_prefix(value: object, parameter: str = "prefix") -> str:
    """
    Return *value* if it is a prefix: the path of a folder in a container, with or without a slash at its end.

    The empty text means the whole container.

    :raises InvalidName: *value* is not one; the message begins with *parameter*.
    """
    problem = _text_problem(value, MAX_OBJECT_NAME_BYTES) or _typo_problem(value)
    if problem is None and value != "":
        problem = path_problem(str(value).removesuffix("/"))
    if problem is None:
        return str(value)
    raise InvalidName(
        f"{parameter}: {format_value(value)} is not a folder in a container: it {problem}. Write it like "
        "'digits/train', or '' for the whole container"
    )


def require_object_name(value: object, parameter: str = "name") -> str:
    """
    Return *value* if a request can be about an object of that name, which another program may have stored.

    A name with a component ``.`` or ``..`` is refused: HTTP libraries shorten such a path, and the request would be
    about another object, or about a container.

    :raises InvalidName: it cannot; the message begins with *parameter*.
    """
    problem = "is empty" if value == "" else _text_problem(value, MAX_OBJECT_NAME_BYTES)
    if problem is None and has_dot_component(value):
        problem = "has a step '.' or '..'"
    if problem is None:
        return str(value)
    raise InvalidName(
        f"{parameter}: {format_value(value)} is not the name of an object: it {problem}. An object's name is a text of "
        f"1 to {MAX_OBJECT_NAME_BYTES} bytes"
    )


def require_new_object_name(value: object, parameter: str = "name") -> str:
    """
    Return *value* if an object may be stored under that name, so that a download can write it as a file.

    One slash at its end is accepted: by convention, such an object only marks a folder.

    :raises InvalidName: it may not; the message begins with *parameter*.
    """
    name = require_object_name(value, parameter)
    problem = path_problem(name.removesuffix("/"))
    if problem is None:
        return name
    raise InvalidName(
        f"{parameter}: no object is stored as {format_value(value)}: it {problem}, so no download could write it as a "
        "file"
    )


def require_list_prefix(value: object, parameter: str = "prefix") -> str:
    """
    Return *value* if a listing can be limited to the names that begin with it: any text, also a part of a name.

    :raises InvalidName: it cannot; the message begins with *parameter*.
    """
    problem = _text_problem(value, MAX_OBJECT_NAME_BYTES)
    if problem is None:
        return str(value)
    raise InvalidName(f"{parameter}: no name of an object begins with {format_value(value)}: it {problem}")


def container_name_problem(value: object) -> str | None:
    """
    Return why no container can have the name *value*, as a verb with its object; None if one can.

    `require_container_name` also refuses names that can only be typing mistakes; older records and records of another
    service may have such names.
    """
    if value == "":
        return "is empty"
    problem = _text_problem(value, MAX_CONTAINER_NAME_BYTES)
    if problem is None and "/" in str(value):
        return "holds a slash (a folder goes into the prefix)"
    return "means a folder in itself" if problem is None and value in {".", ".."} else problem


def has_dot_component(name: object) -> bool:
    """Whether *name* has a component ``.`` or ``..``, which HTTP libraries remove from a URL."""
    return isinstance(name, str) and not {".", ".."}.isdisjoint(name.split("/"))


def path_problem(path: str) -> str | None:
    """
    Return why *path* cannot be the path of a file below a folder, as a verb with its object; None if it can.

    Used for uploads, downloads and prefixes.
    """
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "begins with a slash"
    for step in path.split("/"):
        if not step:
            return "holds two slashes in a row" if "//" in path else "ends with a slash"
        if step in {".", ".."}:
            return f"has the step {step!r}"
        if "\0" in step:
            return "holds a NUL"
        if len(step.encode(errors="surrogatepass")) > MAX_PATH_COMPONENT_BYTES:
            return f"has a step of more than {MAX_PATH_COMPONENT_BYTES} bytes"
    return None


def _text_problem(value: object, max_bytes: int) -> str | None:
    if value is None:
        return "is missing (None)"
    if not isinstance(value, str):
        return f"is of type {type(value).__name__}, not a text"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "is not UTF-8"
    if size > max_bytes:
        return f"is {size} bytes long, more than {max_bytes}"
    return "holds a NUL" if "\0" in value else None


def _typo_problem(value: object) -> str | None:
    """Return what in a name can only come from a typing mistake or from a template, as a verb with its object."""
    text = str(value)
    if any(unicodedata.category(character) == "Cc" for character in text):
        return "holds a control character"
    return "begins or ends with a space" if text != text.strip() else None
