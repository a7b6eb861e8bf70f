"""Hyperparameters as data: the key `execution.hyperparameters`, and the variables that a command gets. No I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from airflow_dlaas.contract.environment import HYPERPARAMETER_PREFIX

Hyperparameter = str | bool | int | float

MAX_HYPERPARAMETERS = 200
MAX_NAME_LENGTH = 100
MAX_VALUE_LENGTH = 8 * 1024
"""Characters of a value."""
MAX_TOTAL_BYTES = 128 * 1024
"""Bytes of all names and values together: the kernel limits the environment of a process."""

HYPERPARAMETERS_FILE = "hyperparameters.json"
"""The file in ``$MODEL_DIR`` with all hyperparameters, unless the code has a file of this name."""

_NO_IDENTIFIER_CHARACTER = re.compile(r"[^A-Za-z0-9_]")


def require_hyperparameters(value: object) -> dict[str, Hyperparameter]:
    """
    Return *value* without the names whose value is null, if it maps names to numbers, texts, true or false.

    :raises ValueError: it does not, or two names give the same variable; the message has the name and the way out.
    """
    if not isinstance(value, Mapping):
        raise ValueError("must be an object of names and values")
    found = {name: one for name, one in value.items() if one is not None}
    if len(found) > MAX_HYPERPARAMETERS:
        raise ValueError(f"must have at most {MAX_HYPERPARAMETERS} names")
    owners: dict[str, str] = {}
    total = 0
    for name, one in found.items():
        _require_name(name)
        _require_value(name, one)
        total += len(name) + len(format_hyperparameter(one).encode())
        for variable in _variables_of(name):
            other = owners.setdefault(variable, name)
            if other != name:
                raise ValueError(f"{name!r} and {other!r} give the same variable {variable}; rename one of them")
    if total > MAX_TOTAL_BYTES:
        raise ValueError(f"must be at most {MAX_TOTAL_BYTES:,} bytes together; put them into a file of the code")
    return found


def hyperparameter_variables(hyperparameters: Mapping[str, Hyperparameter]) -> dict[str, str]:
    """
    Return the variables of *hyperparameters*: ``HP_`` and the name, as it is written and in capitals.

    A character that no variable can have becomes ``_``: ``learning-rate`` gives ``HP_learning_rate`` and
    ``HP_LEARNING_RATE``. True and false are ``true`` and ``false``; a number is written as in JSON.
    """
    return {
        variable: format_hyperparameter(value)
        for name, value in hyperparameters.items()
        for variable in _variables_of(name)
    }


def format_hyperparameter(value: Hyperparameter) -> str:
    """Return the text of one value, as the command and the pages have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def _variables_of(name: str) -> tuple[str, ...]:
    plain = HYPERPARAMETER_PREFIX + _NO_IDENTIFIER_CHARACTER.sub("_", name)
    return tuple(dict.fromkeys((plain, plain.upper())))


def _require_name(name: object) -> None:
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"names must be printable texts of 1 to {MAX_NAME_LENGTH} characters")


def _require_value(name: str, value: object) -> None:
    if not isinstance(value, (str, bool, int, float)):
        raise ValueError(
            f"{name!r} must be a number, a text, true or false; write a list as one text, or put it into the code"
        )
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name!r} must be a finite number; JSON has no other")
    if isinstance(value, str) and ("\0" in value or len(value) > MAX_VALUE_LENGTH):
        raise ValueError(f"{name!r} must have at most {MAX_VALUE_LENGTH:,} characters, and no NUL character")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= one <= "\udfff" for one in value):
        raise ValueError(f"{name!r} must be valid Unicode")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{name!r} must be a number of 64 bits")


Hyperparameters = Annotated[dict[str, Any], BeforeValidator(require_hyperparameters), AfterValidator(dict)]
"""Hyperparameters by name, in the order and with the types in which they were given."""
