"""ETags: properties of a file, as a file system reports them, that change with its content. No I/O."""

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
"""Keys under which file systems report such a property, the most reliable first; in lower case, without punctuation."""

MTIME_RESOLUTION_SECONDS = 2
"""Seconds after a change until a modification time shows another change."""

ETags = tuple[tuple[str, str], ...]
"""Keys, as above, and values."""


def find_etags(info: Mapping[str, Any]) -> ETags:
    """Return the ETags of the most reliable kind in *info*, fsspec's description of a file; empty without any."""
    values = {"".join(filter(str.isalnum, name)).lower(): value for name, value in info.items() if value}
    for keys in (CONTENT_KEYS, VERSION_KEYS, MTIME_KEYS):
        format_value = _format_mtime if keys is MTIME_KEYS else str
        if etags := tuple((key, format_value(values[key])) for key in keys if key in values):
            return etags
    return ()


def _format_mtime(value: Any) -> str:
    """Format a time as seconds; a date as whole seconds, because some stores report fractions only in a listing."""
    with suppress(ValueError, TypeError):
        if isinstance(value, str):
            value = parsedate_to_datetime(value)
    return str(int(to_epoch_seconds(value)) if isinstance(value, datetime) else value)


def to_epoch_seconds(timestamp: datetime) -> float:
    """Return the seconds since 1970; a time without a zone counts as UTC."""
    return timestamp.replace(tzinfo=timestamp.tzinfo or timezone.utc).timestamp()


def has_stable_etags(etags: ETags, now: float) -> bool:
    """Whether a change after *now*, in seconds since 1970, would change *etags*."""
    if not etags:
        return False
    key, value = etags[0]
    if key not in MTIME_KEYS:
        return True
    try:
        return now - float(value) > MTIME_RESOLUTION_SECONDS
    except ValueError:  # an unknown format of time
        return False
