"""How the results of trainings are told from data in the same container."""

from __future__ import annotations

import re

_RESULT = re.compile(r"training-[A-Za-z0-9_-]{9}/")


def is_result(name: str) -> bool:
    """Whether an object's name is that of a training's results."""
    return _RESULT.match(name) is not None
