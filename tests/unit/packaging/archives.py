"""Helpers of the tests of archives."""

from __future__ import annotations

import zipfile

HIGH_LIMIT = 10**9
"""An unpacked size in bytes that no archive of the tests reaches."""


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    """Make an entry with Unix mode bits."""
    one = zipfile.ZipInfo(name)
    one.external_attr = mode << 16
    return one
