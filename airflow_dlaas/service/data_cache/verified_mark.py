"""
The mark of a verified entry: its time of modification, which every later write replaces. No I/O.

A mark in the file itself costs no second file for each object, no index that can disagree with the files, and no
`fsync`: a power failure can lose the content of a file that was just written, and keep its name, size and times. So the
mark names the boot of the machine in which the content was verified. In a later boot the content is verified once more,
and gets the mark that is valid for ever.
"""

from __future__ import annotations

import zlib

SECOND_NS = 1_000_000_000

DURABLE_SECONDS = 1_000_000_000
"""September 2001: before every file that a program writes now."""

DURABLE_NS = DURABLE_SECONDS * SECOND_NS
"""The mark of content that is known to be on the disk."""

MAX_BOOTS = 100_000_000
"""Boots that have different marks; with two seconds for each, the resolution of FAT, the marks end in 2008."""


def boot_mark_ns(boot_id: str) -> int:
    """Return the mark of content that was verified in the boot *boot_id* (``/proc/sys/kernel/random/boot_id``)."""
    return (DURABLE_SECONDS + 2 * (1 + zlib.crc32(boot_id.encode()) % MAX_BOOTS)) * SECOND_NS


def is_mark(mtime_ns: int) -> bool:
    """Whether a time of modification is a mark, of this boot or another."""
    offset = mtime_ns - DURABLE_NS
    return 0 <= offset <= 2 * MAX_BOOTS * SECOND_NS and offset % (2 * SECOND_NS) == 0
