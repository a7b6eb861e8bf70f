"""A log file of limited size: at most two files of `MAX_LOG_BYTES` bytes, the older one with the name ``<name>.1``."""

from __future__ import annotations

from collections import deque
from pathlib import Path

MAX_LOG_BYTES = 1 << 20


def rotate(path: Path, max_bytes: int = MAX_LOG_BYTES) -> None:
    """
    Rename *path* if it is larger than *max_bytes*. Processes that have it open continue to write to the renamed file.
    """
    if path.exists() and path.stat().st_size > max_bytes:
        path.replace(path.with_name(path.name + ".1"))


def append(path: Path, text: bytes, max_bytes: int = MAX_LOG_BYTES) -> None:
    rotate(path, max_bytes)
    with path.open("ab") as file:
        file.write(text)


def tail(path: Path, max_lines: int = 12) -> str:
    """Return the last *max_lines* lines, or the empty string if the file does not exist."""
    if not path.exists():
        return ""
    with path.open(errors="replace") as file:
        return "".join(deque(file, max_lines)).rstrip()
