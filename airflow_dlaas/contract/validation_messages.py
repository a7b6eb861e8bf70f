"""What is wrong with a value, in the words of JSON: pydantic's own speak of Python types, to people who send JSON."""

from __future__ import annotations

from collections.abc import Mapping

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
"""By pydantic's name of a finding (https://docs.pydantic.dev/latest/errors/validation_errors/): our sentence for it."""


def validation_message(error_type: str, context: Mapping[str, object]) -> str:
    """
    Describe what is wrong with a value.

    :param error_type: pydantic's name of the finding.
    :param context: its limits; for ``value_error`` the error, whose message is ours already.
    """
    if error_type == "value_error":
        return str(context.get("error", "is not accepted"))
    if error_type.startswith(("datetime_", "date_", "timezone_")):
        return "must be a point in time in ISO 8601 (2026-03-01T12:00:00.000Z)"
    return _MESSAGES.get(error_type, "has a value of the wrong kind").format(**context)
