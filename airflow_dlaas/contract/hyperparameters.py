"""Hyperparameters of a training for people: those of its definition, and the options of its command. No I/O."""

from __future__ import annotations

import re
import shlex

from airflow_dlaas._util.secret_names import is_secret_name
from airflow_dlaas.contract.environment import HYPERPARAMETER_PREFIX
from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.contract.hyperparameter_values import Hyperparameter

_OPTION = re.compile(r"^--?(?P<name>[A-Za-z][\w.-]+)(?:=(?P<value>.*))?$", re.DOTALL)
_NUMBER = re.compile(r"^-(?:\d|\.\d)")
_PLACEHOLDER = re.compile(rf"\$\{{?{HYPERPARAMETER_PREFIX}")

MAX_HYPERPARAMETERS = 100
"""Maximum number of options of one command."""
MAX_VALUE_LENGTH = 200
"""Maximum number of characters of a value."""


def parse_hyperparameters(command: str) -> dict[str, str]:
    """
    Parse ``--name value`` and ``--name=value``; an option without a value is ``true``, one-letter options are ignored.

    A command that is no valid shell command has no hyperparameters. Values of names that look like secrets are ``***``.
    """
    try:
        words = shlex.split(command, comments=False)
    except ValueError:
        return {}
    found: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option = _OPTION.match(word)
        if option is None or len(found) >= MAX_HYPERPARAMETERS:
            continue
        name, value = option["name"], option["value"]
        if value is None:
            bare = not following or (following.startswith("-") and not _NUMBER.match(following))
            value = "true" if bare else following
        found[name] = "***" if is_secret_name(name) else value[:MAX_VALUE_LENGTH]
    return found


def shown_hyperparameters(execution: Execution) -> dict[str, Hyperparameter]:
    """
    Return the hyperparameters of the definition, with their types, then the options of the command with other names.

    An option whose value is a placeholder of a hyperparameter (``--rate ${HP_lr}``) is left out. Long texts are cut,
    and texts of names that look like secrets are ``***``; a number such as ``max_tokens`` is none.
    """
    given = execution.hyperparameters or {}
    options = {
        name: value
        for name, value in parse_hyperparameters(execution.command).items()
        if name not in given and not (given and _PLACEHOLDER.search(value))
    }
    return {**{name: _show(name, value) for name, value in given.items()}, **options}


def _show(name: str, value: Hyperparameter) -> Hyperparameter:
    if not isinstance(value, str):
        return value
    return "***" if is_secret_name(name) else value[:MAX_VALUE_LENGTH]


_NAME_AND_VALUE = re.compile(r"""(?P<name>[A-Za-z][\w.-]+)(?P<sign>=|\s+)(?P<value>"[^"]*"|'[^']*'|[^\s;|&]+)""")


def redact_secrets(command: str) -> str:
    """Return *command* with ``***`` for the values of options and variables whose names look like secrets."""
    return _NAME_AND_VALUE.sub(
        lambda one: f"{one['name']}{one['sign']}***" if _is_secret_value(one) else one[0], command
    )


def _is_secret_value(match: re.Match[str]) -> bool:
    # The name can also appear in text or in a file name: only a dash before it or an equals sign after it counts.
    before = match.string[: match.start()][-1:]
    return is_secret_name(match["name"]) and (before == "-" or match["sign"] == "=")
