"""Names and globs that say which files are meant. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

MAGIC = frozenset("*?[")
"""What makes a path a glob."""


def matches(name: str, patterns: Sequence[str]) -> bool:
    """
    Whether one of *patterns* means the file *name*, a path below some folder.

    They are those of a shell (``*.py``, ``data/*``) and are compared with the whole path, with its last part and with
    each folder above it, so that a folder's name means everything in it.
    """
    if not patterns:
        return False
    steps = name.split("/")
    spellings = {"/".join(steps[:depth]) for depth in range(1, len(steps) + 1)} | set(steps)
    return any(fnmatchcase(spelling, pattern.rstrip("/")) for spelling in spellings for pattern in patterns)


def wanted(name: str, include: Sequence[str] | None, exclude: Sequence[str]) -> bool:
    """Whether *name* is among *include*, where that is given, and not among *exclude*, which wins."""
    return (include is None or matches(name, include)) and not matches(name, exclude)
