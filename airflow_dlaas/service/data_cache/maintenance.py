"""What is in the cache, by container, and the removal of what is not used."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from airflow_dlaas.service.data_cache.entries import CacheFolder
from airflow_dlaas.service.data_cache.entry_names import CachedFile
from airflow_dlaas.service.data_cache.in_use import entries_in_use, uses
from airflow_dlaas.service.data_cache.leftovers import remove_leftovers
from airflow_dlaas.service.data_cache.room import least_recently_used
from airflow_dlaas.service.data_cache.verified_mark import SECOND_NS


@dataclass(frozen=True, slots=True)
class CachedSource:
    """The entries of one container."""

    account_url: str
    container: str
    files: int
    bytes: int
    used_at: datetime
    """Time of the last use of any of them."""
    trainings: int
    """Trainings that use some of them now."""


def list_sources(folder: CacheFolder) -> list[CachedSource]:
    """
    Return the containers that have entries, the least recently used first.

    :raises OSError: the folder cannot be read.
    """
    with folder.locked():
        users = Counter(source for sizes in uses(folder.users) for source in {source for source, _ in sizes})
    by_source: dict[str, list[CachedFile]] = {}
    for one in folder.files():
        by_source.setdefault(one.source, []).append(one)
    found = [
        CachedSource(
            *folder.describe(source),
            len(files),
            sum(one.size for one in files),
            datetime.fromtimestamp(max(one.used_ns for one in files) / SECOND_NS, timezone.utc),
            users[source],
        )
        for source, files in by_source.items()
    ]
    return sorted(found, key=lambda one: one.used_at)


def prune(
    folder: CacheFolder, *, unused_seconds: float | None, max_bytes: int | None, now: float | None = None
) -> Sequence[CachedFile]:
    """
    Remove entries that no training uses, and what killed fills have left; return the entries.

    :param unused_seconds: remove those that were not used for this time.
    :param max_bytes: then remove the least recently used, until all others have this size at most.
    :raises OSError: the folder cannot be written.
    """
    now = time.time() if now is None else now
    with folder.locked():
        in_use = entries_in_use(folder.users)
        files = list(folder.files())
        unused = [one for one in files if one.key not in in_use]
        removed: list[CachedFile] = []
        if unused_seconds is not None:
            removed = [one for one in unused if now - one.used_ns / SECOND_NS >= unused_seconds]
        if max_bytes is not None:
            gone = {one.key for one in removed}
            excess = sum(one.size for one in files if one.key not in gone) - max_bytes
            removed += least_recently_used([one for one in unused if one.key not in gone], excess)
        for one in removed:
            folder.remove(one.source, one.name)
        remove_leftovers(folder)
        folder.remove_empty_sources()
    return removed
