"""What fits into the cache, and what is removed to make room for it. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_dlaas.service.data_cache.entry_names import CachedFile, EntryKey


@dataclass(frozen=True, slots=True)
class Stock:
    """What the cache has and has promised, and the room that it may take."""

    files: Sequence[CachedFile]
    in_use: Mapping[EntryKey, int]
    """Sizes of the entries that trainings use or are about to load: these are never removed."""
    limit: int
    """Bytes of all entries, at most."""
    free: int
    """Bytes of free space on the disk that the cache may take."""


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """A decision about entries to be loaded."""

    admitted: frozenset[EntryKey]
    """Entries that are loaded into the cache; the others are loaded without it."""
    evicted: tuple[CachedFile, ...]
    """What is removed before."""


def plan_room(missing: Iterable[tuple[EntryKey, int]], stock: Stock) -> RoomPlan:
    """
    Decide which of the *missing* entries, given with their sizes, are loaded into the cache.

    Entries that are not in use make room, the least recently used first. An entry that does not fit leaves its room to
    those after it. One that another training is about to load needs no room of its own.
    """
    present = {one.key for one in stock.files}
    unused = [one for one in stock.files if one.key not in stock.in_use]
    total = sum(one.size for one in stock.files)
    evictable = sum(one.size for one in unused)
    promised = sum(size for key, size in stock.in_use.items() if key not in present)
    room = min(stock.limit - total, stock.free) - promised + evictable
    admitted, needed = set(), 0
    for key, size in missing:
        if key in stock.in_use:
            admitted.add(key)
        elif needed + size <= room:
            admitted.add(key)
            needed += size
    excess = promised + needed - min(stock.limit - total, stock.free) if needed else total + promised - stock.limit
    return RoomPlan(frozenset(admitted), tuple(least_recently_used(unused, excess)))


def least_recently_used(unused: Collection[CachedFile], excess: int) -> Iterable[CachedFile]:
    """Yield entries of *unused*, the least recently used first, until they have *excess* bytes together."""
    for one in sorted(unused, key=lambda file: (file.used_ns, file.key)) if excess > 0 else ():
        if excess <= 0:
            return
        yield one
        excess -= one.size
