"""Names of secrets: which values must be masked before they are shown, logged or stored."""

from __future__ import annotations

import re

SECRET_NAME = re.compile(r"passw|secret|token|credential|api.?key|access.?key|private.?key", re.IGNORECASE)
"""Matches anywhere in a name; ``.?`` permits one separator: ``api_key``, ``api-key``, ``apiKey``."""


def is_secret_name(name: str) -> bool:
    """
    Whether *name*, of a parameter, a variable or a JSON key, looks like the name of a secret.

    Names such as ``token_limit`` are taken for secrets too: a masked harmless value costs less than a shown secret.
    """
    return SECRET_NAME.search(name) is not None
