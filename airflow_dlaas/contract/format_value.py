"""Values in error messages."""

from __future__ import annotations

from datetime import timedelta

MAX_VALUE_LENGTH = 80
"""Characters of a text in an error message; the rest is cut off."""


def format_value(value: object) -> str:
    """
    Return *value* for a message: a text, shortened, or a number as it is; anything else by its type.

    The content of a dict or another object is not repeated: it may be long or secret.
    """
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, timedelta):
        return str(value)
    return f"a {type(value).__name__}"
