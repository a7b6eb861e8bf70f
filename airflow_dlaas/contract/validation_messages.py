"""
Messages for invalid documents, in the terms of JSON.

pydantic's own messages speak of Python types, and the readers of these messages send JSON. No message has the invalid
value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pydantic import ValidationError

MAX_VALIDATION_MESSAGES = 100
"""Messages for one document; more would not help, and a response must not be many times as long as the request."""

MAX_KEY_LENGTH = 200
"""Characters of an unknown key that a message has."""

_PLAIN_KEY = re.compile(r"[\w…-]+")

UNION_TAG = "\0"
"""The first character of the tag of a union's member, which pydantic has in the place of an error: it is no key."""

UNKNOWN_KEY = "is not a key of the definition (a typo?)"

_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": UNKNOWN_KEY,
    "json_invalid": "is not JSON",
    "string_type": "must be a string",
    "string_sub_type": "must be a string",
    "string_unicode": "must be a string of valid Unicode characters",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern {pattern}",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "invalid_key": "must be a string",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "too_short": "must have at least {min_length} element(s)",
    "too_long": "must have at most {max_length} elements",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "none_required": "must be null",
}
"""The messages by pydantic's error types (https://docs.pydantic.dev/latest/errors/validation_errors/)."""


def validation_message(error_type: str, context: Mapping[str, object]) -> str:
    """
    Return the message for an invalid value, without the name of its field.

    :param error_type: pydantic's name of the error.
    :param context: pydantic's context of the error: limits, or the exception of a ``value_error`` with our message.
    """
    if error_type == "value_error":
        return str(context.get("error", "is not accepted"))
    if error_type.startswith(("datetime_", "date_", "timezone_")):
        return "must be a point in time in ISO 8601 (2026-03-01T12:00:00.000Z)"
    return _MESSAGES.get(error_type, "has a value of the wrong kind").format(**context)


def validation_messages(error: ValidationError, *, skip_if: Callable[[object], bool] | None = None) -> list[str]:
    """
    Return one message for each error in a document: "field: message", without the invalid value.

    There are at most `MAX_VALIDATION_MESSAGES`; if there are more errors, one more message has their number.

    :param skip_if: errors about a value for which this is true are left out, except those about unknown keys.
    """
    # A value needs many times the memory of its JSON: only if it is used.
    found = error.errors(include_url=False, include_input=skip_if is not None)
    if skip_if is not None:
        found = [one for one in found if one["type"] == "extra_forbidden" or not skip_if(one["input"])]
    messages = [
        f"{format_path(one['loc'])}: {validation_message(one['type'], one.get('ctx', {}))}"
        for one in found[:MAX_VALIDATION_MESSAGES]
    ]
    if len(found) > MAX_VALIDATION_MESSAGES:
        messages.append(f"(the whole): and {len(found) - MAX_VALIDATION_MESSAGES:,} more errors")
    return messages


def format_path(location: tuple[int | str, ...]) -> str:
    """Return a place in a JSON document as a path: ``training_data[0].source.type``."""
    path = ""
    for step in location:
        if isinstance(step, str) and step.startswith(UNION_TAG):
            continue
        if isinstance(step, str):
            step = _format_key(step)
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path or "(the whole)"


def _format_key(key: str) -> str:
    """Return a key, which may be any text: shortened, and in quotes if it looks like a part of the message."""
    if len(key) > MAX_KEY_LENGTH:
        key = f"{key[:MAX_KEY_LENGTH]}…"
    return key if _PLAIN_KEY.fullmatch(key) else repr(key).replace(":", "\\x3a")
