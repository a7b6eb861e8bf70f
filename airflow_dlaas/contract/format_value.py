"""How an error message represents the value that it is about."""

from __future__ import annotations

from datetime import timedelta

MAX_VALUE_LENGTH = 80
"""Characters of a text that an error message repeats."""


def format_value(value: object) -> str:
    """
    Represent *value* in a message: a text, shortened, or a number as it is, anything else by its type.

    What a dict or an object of another kind holds is not repeated: it may be long, and secret.
    """
    if isinstance(value, str):
        text = repr(value)
        return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}…"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, timedelta):
        return str(value)
    return f"a {type(value).__name__}"
