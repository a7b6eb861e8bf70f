"""A log file that stays small: at most two files of `LIMIT` bytes, the older one called ``<name>.1``."""

from __future__ import annotations

from collections import deque
from pathlib import Path

LIMIT = 1 << 20


def rotate(path: Path, limit: int = LIMIT) -> None:
    """Put *path* aside once it is larger than *limit* bytes; whoever has it open writes on in the old one."""
    if path.exists() and path.stat().st_size > limit:
        path.replace(path.with_name(path.name + ".1"))


def append(path: Path, text: bytes, limit: int = LIMIT) -> None:
    rotate(path, limit)
    with path.open("ab") as file:
        file.write(text)


def tail(path: Path, lines: int = 12) -> str:
    """The last *lines* lines, or the empty string where there is no such file."""
    if not path.exists():
        return ""
    with path.open(errors="replace") as file:
        return "".join(deque(file, lines)).rstrip()
