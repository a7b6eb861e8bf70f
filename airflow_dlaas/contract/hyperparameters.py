"""Hyperparameters from the command line of a training. No I/O."""

from __future__ import annotations

import re
import shlex

from airflow_dlaas._util.secret_names import is_secret_name

_OPTION = re.compile(r"^--?(?P<name>[A-Za-z][\w.-]+)(?:=(?P<value>.*))?$", re.DOTALL)
_NUMBER = re.compile(r"^-(?:\d|\.\d)")

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
