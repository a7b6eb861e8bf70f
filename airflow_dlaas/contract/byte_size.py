"""Numbers of bytes as people write them: ``16GiB``, ``500MB``, ``1073741824``. No I/O."""

from __future__ import annotations

import re

UNITS = {
    "": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
"""The bytes of each unit."""

ACCEPTED_SIZES = "a number of bytes, or of kB, MB, GB, TB, KiB, MiB, GiB or TiB"

MAX_BYTES = 2**60
"""More than any machine has; a larger number is a typing error."""

_SIZE = re.compile(r"(?P<number>\d{1,19}(?:\.\d{1,9})?) ?(?P<unit>[A-Za-z]*)")


def parse_bytes(value: object) -> int:
    """
    Return the number of bytes of a whole number, or of a text with or without a unit.

    :raises ValueError: *value* is neither, or not between 1 and `MAX_BYTES`; the message fits after a field's name.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError(f"must be {ACCEPTED_SIZES}")
    match = _SIZE.fullmatch(str(value).strip())
    if match is None or match["unit"] not in UNITS:
        raise ValueError(f"must be {ACCEPTED_SIZES}")
    found = (
        int(float(match["number"]) * UNITS[match["unit"]])
        if "." in match["number"]
        else (int(match["number"]) * UNITS[match["unit"]])
    )
    if not 0 < found <= MAX_BYTES:
        raise ValueError("must be at least 1 byte, and not more than any machine has")
    return found


def format_bytes(number: float) -> str:
    """Return *number* of bytes in the largest binary unit of which it has at least one: ``1.5 GiB``, ``0 B``."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if number >= UNITS[unit]:
            return f"{number / UNITS[unit]:.1f} {unit}"
    return f"{number:.0f} B"
