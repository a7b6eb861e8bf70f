"""What file systems say of a file that changes when its content does. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

CONTENT = ("etag", "contentmd5", "md5", "md5hash", "crc32c", "crc", "checksum", "digest", "sha", "sha256", "blobid")
VERSION = ("generation", "versionid", "version")
TIME = ("lastmodified", "modified", "mtime", "updated", "modificationtime")
"""What file systems call what changes with a file's content; in lower case, without signs, the surest first."""

SETTLED = 2
"""Seconds after a change until a time of modification would show another one."""

Tags = tuple[tuple[str, str], ...]
"""Names, as above, and values."""


def tags_of(info: Mapping[str, Any]) -> Tags:
    """Those of the surest kind that *info*, what fsspec tells of a file, holds; none where nothing in it will do."""
    said = {"".join(filter(str.isalnum, name)).lower(): value for name, value in info.items() if value}
    for names in (CONTENT, VERSION, TIME):
        spell = _moment if names is TIME else str
        if tags := tuple((name, spell(said[name])) for name in names if name in said):
            return tags
    return ()


def _moment(value: Any) -> str:
    """Spell a time as seconds; dates in whole ones, since some stores tell fractions only in a listing."""
    with suppress(ValueError, TypeError):
        if isinstance(value, str):
            value = parsedate_to_datetime(value)
    return str(int(seconds(value)) if isinstance(value, datetime) else value)


def seconds(moment: datetime) -> float:
    """Since 1970; a time without a zone is taken for one of Greenwich."""
    return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()


def settled(tags: Tags, now: float) -> bool:
    """Whether a change after *now* would be seen in *tags*."""
    if not tags:
        return False
    name, value = tags[0]
    if name not in TIME:
        return True
    try:
        return now - float(value) > SETTLED
    except ValueError:  # a spelling of time that nobody here knows
        return False
