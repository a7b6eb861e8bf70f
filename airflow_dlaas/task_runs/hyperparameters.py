"""Hyperparameters, read off a training's command line. No I/O."""

from __future__ import annotations

import re
import shlex

_OPTION = re.compile(r"^--?(?P<name>[A-Za-z][\w.-]+)(?:=(?P<value>.*))?$", re.DOTALL)
_NUMBER = re.compile(r"^-(?:\d|\.\d)")

MAX_HYPERPARAMETERS = 100
"""Options that are told of one command."""
MAX_VALUE_LENGTH = 200
"""Characters told of a value."""


def parse_hyperparameters(command: str) -> dict[str, str]:
    """
    Read ``--name value`` and ``--name=value``; an option without a value is ``true``, one of a letter is the shell's.

    A command that no shell would take has none. Options that look like a secret are told as ``***``.
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


_SECRET_NAME = re.compile(r"passw|secret|token|api.?key|access.?key|credential|private.?key", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether what goes by *name* is better not shown."""
    return _SECRET_NAME.search(name) is not None


_NAME_AND_VALUE = re.compile(r"""(?P<name>[A-Za-z][\w.-]+)(?P<sign>=|\s+)(?P<value>"[^"]*"|'[^']*'|[^\s;|&]+)""")


def redact_secrets(command: str) -> str:
    """Give *command* with the values hidden that follow a name secrets go by, as options or as variables."""
    return _NAME_AND_VALUE.sub(
        lambda one: f"{one['name']}{one['sign']}***" if _is_secret_value(one) else one[0], command
    )


def _is_secret_value(match: re.Match[str]) -> bool:
    # Prose may hold the word, and so may a file's name: a value counts behind a dash or an equals sign.
    before = match.string[: match.start()][-1:]
    return is_secret_name(match["name"]) and (before == "-" or match["sign"] == "=")
