"""Reserves entries for a training: from then on they are in use, and what is missing has room."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from airflow_dlaas.service.data_cache.entries import CacheFolder, EntryState
from airflow_dlaas.service.data_cache.in_use import UseFile, entries_in_use, remove_ended
from airflow_dlaas.service.data_cache.leftovers import remove_leftovers
from airflow_dlaas.service.data_cache.room import RoomPlan, Stock, plan_room


@dataclass(frozen=True, slots=True)
class Reservation:
    """The names of the entries of a training."""

    valid: frozenset[str]
    """They are in the cache."""
    to_fill: frozenset[str]
    """They have room in the cache; the others are loaded without it."""
    damaged: frozenset[str] = frozenset()
    """They were in the cache, and are removed from it."""


def reserve(
    folder: CacheFolder,
    limit: int,
    use_file: UseFile,
    source: str,
    sizes: Mapping[str, int],
    *,
    reserved_bytes: int,
    logger: logging.Logger,
) -> Reservation:
    """
    Reserve entries of *source*, given as sizes by name; make room for those that are missing.

    :param reserved_bytes: free space on the disk of the cache that the folder of the job needs.
    :raises OSError: the folder cannot be used, or another process has locked it for too long.
    """
    with folder.locked():
        states = {name: folder.state(source, name, size) for name, size in sizes.items()}
        valid = {name for name, state in states.items() if state is EntryState.VALID}
        to_fill = {name for name, state in states.items() if state is EntryState.UNVERIFIED}
        missing = [name for name in sizes if name not in valid and name not in to_fill]
        damaged = frozenset(name for name in missing if states[name] is EntryState.DAMAGED)
        if missing:
            for name in damaged:
                folder.remove(source, name)
            mine = {(source, name): sizes[name] for name in (*valid, *to_fill)}
            in_use = {**entries_in_use(folder.users), **mine}
            remove_leftovers(folder)
            free = shutil.disk_usage(folder.path).free - reserved_bytes
            stock = Stock(list(folder.files()), in_use, limit, free)
            plan = plan_room([((source, name), sizes[name]) for name in missing], stock)
            _evict(folder, plan, logger)
            to_fill.update(name for _, name in plan.admitted)
        else:
            remove_ended(folder.users)
        use_file.add(source, {name: sizes[name] for name in (*valid, *to_fill)})
    return Reservation(frozenset(valid), frozenset(to_fill), damaged)


def _evict(folder: CacheFolder, plan: RoomPlan, logger: logging.Logger) -> None:
    for one in plan.evicted:
        folder.remove(one.source, one.name)
    if plan.evicted:
        size = sum(one.size for one in plan.evicted)
        logger.info(
            "Removed the %d least recently used files, %d bytes, from the cache of data to make room",
            len(plan.evicted),
            size,
        )
