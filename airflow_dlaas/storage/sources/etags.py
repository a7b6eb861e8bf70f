"""What file systems say of a file that changes when its content does. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

CONTENT_KEYS = (
    "etag",
    "contentmd5",
    "md5",
    "md5hash",
    "crc32c",
    "crc",
    "checksum",
    "digest",
    "sha",
    "sha256",
    "blobid",
)
VERSION_KEYS = ("generation", "versionid", "version")
MTIME_KEYS = ("lastmodified", "modified", "mtime", "updated", "modificationtime")
"""What file systems call what changes with a file's content; in lower case, without signs, the surest first."""

MTIME_RESOLUTION_SECONDS = 2
"""Seconds after a change until a time of modification would show another one."""

ETags = tuple[tuple[str, str], ...]
"""Names, as above, and values."""


def find_etags(info: Mapping[str, Any]) -> ETags:
    """Those of the surest kind that *info*, what fsspec tells of a file, holds; none where nothing in it will do."""
    said = {"".join(filter(str.isalnum, name)).lower(): value for name, value in info.items() if value}
    for names in (CONTENT_KEYS, VERSION_KEYS, MTIME_KEYS):
        spell = _format_mtime if names is MTIME_KEYS else str
        if tags := tuple((name, spell(said[name])) for name in names if name in said):
            return tags
    return ()


def _format_mtime(value: Any) -> str:
    """Spell a time as seconds; dates in whole ones, since some stores tell fractions only in a listing."""
    with suppress(ValueError, TypeError):
        if isinstance(value, str):
            value = parsedate_to_datetime(value)
    return str(int(to_epoch_seconds(value)) if isinstance(value, datetime) else value)


def to_epoch_seconds(timestamp: datetime) -> float:
    """Since 1970; a time without a zone is taken for one of Greenwich."""
    return timestamp.replace(tzinfo=timestamp.tzinfo or timezone.utc).timestamp()


def has_stable_etags(etags: ETags, now: float) -> bool:
    """Whether a change after *now* would be seen in *etags*."""
    if not etags:
        return False
    name, value = etags[0]
    if name not in MTIME_KEYS:
        return True
    try:
        return now - float(value) > MTIME_RESOLUTION_SECONDS
    except ValueError:  # a spelling of time that nobody here knows
        return False
