"""
The names of entries of the cache. No I/O.

No name of an account, a container or an object is part of a path.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import NamedTuple

from airflow_dlaas.storage.object_store import StoredObject

HASH_LENGTH = 40
"""Hex digits of the hash in a name: 160 bits."""

PARTS_SUFFIX = "parts"
"""Second half of the name of an entry whose checksums are in a file beside it: the MD5 of each part."""

_MD5 = re.compile(r"[0-9a-f]{32}")
_ENTRY_NAME = re.compile(rf"[0-9a-f]{{{HASH_LENGTH}}}\.(?P<digest>[0-9a-f]{{32}}|{PARTS_SUFFIX})")

EntryKey = tuple[str, str]
"""Source and name of an entry."""


class CachedFile(NamedTuple):
    """An entry on disk."""

    source: str
    name: str
    size: int
    used_ns: int
    """Time of the last use."""

    @property
    def key(self) -> EntryKey:
        """What identifies it."""
        return self.source, self.name


def source_id(account_url: str, container: str) -> str:
    """Return the name of the folder for the objects of a container."""
    return _hash(account_url, container)


def entry_name(stored: StoredObject) -> str | None:
    """
    Return the name of the file with the content of *stored*: a hash, and the MD5 of the content if there is one.

    None for an object that cannot be cached, because it has no digest: nothing shows whether it has changed. A text
    that is no MD5 is none: it would be part of a path.
    """
    digest = stored.digest
    if digest is None or (stored.md5 is not None and not _MD5.fullmatch(stored.md5)):
        return None
    return f"{_hash(stored.name, stored.size, digest)}.{stored.md5 or PARTS_SUFFIX}"


def md5_of_entry(name: str) -> str | None:
    """Return the MD5 of the content of the entry *name*; None if its checksums are in a file beside it."""
    match = _ENTRY_NAME.fullmatch(name)
    return None if match is None or match["digest"] == PARTS_SUFFIX else match["digest"]


def is_entry_name(name: str) -> bool:
    """Whether *name* is the name of an entry."""
    return _ENTRY_NAME.fullmatch(name) is not None


def subfolder(name: str) -> str:
    """Return the folder of the entry *name* below that of its source: one of 256, so that none becomes too large."""
    return name[:2]


def _hash(*parts: str | int) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:HASH_LENGTH]
