from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.service.data_cache.cache import DataCache, LinkMode
from airflow_dlaas.service.learner.cached_fetch import CachedFetcher
from airflow_dlaas.service.learner.data_fetch import PlannedSource
from airflow_dlaas.service.learner.disk_room import DiskSpace, RoomNeeded
from airflow_dlaas.storage.transfer.plan import planned_downloads
from tests.memory_store import MemoryStore


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[DataCache]:
    with DataCache(tmp_path / "cache", 2**30, logging.getLogger("test")) as cache:
        yield cache


def a_plan(tmp_path: Path, **objects: bytes) -> PlannedSource:
    store = MemoryStore(**objects)
    planned = planned_downloads(store.list_objects("c"))
    return PlannedSource(store, "http://account", "c", planned, tmp_path / "data", ".")  # type: ignore[arg-type]


def a_fetcher(cache: DataCache, mode: LinkMode, free: int) -> CachedFetcher:
    return CachedFetcher(cache, mode, cache.path.with_name("tree"), lambda _: DiskSpace(1, free))


def test_cached_files_need_no_room(tmp_path: Path, cache: DataCache) -> None:
    a_fetcher(cache, LinkMode.SYMLINK, 10).fetch(a_plan(tmp_path, a=b"12345"), lambda _: None)
    plan = a_plan(tmp_path, a=b"12345", b=b"678")
    assert a_fetcher(cache, LinkMode.SYMLINK, 2).room_needed([plan]) == [RoomNeeded(cache.path, 3)]


def test_unused_entries_make_room(tmp_path: Path) -> None:
    for objects, needed in (({"a": b"12345"}, 5), ({"b": b"1234567"}, 2)):
        with DataCache(tmp_path / "cache", 2**30, logging.getLogger("test")) as cache:
            plan = a_plan(tmp_path, **objects)
            fetcher = a_fetcher(cache, LinkMode.SYMLINK, 0)
            assert fetcher.room_needed([plan]) == [RoomNeeded(cache.path, needed)]
            fetcher.fetch(plan, lambda _: None)


def test_copies_need_room_in_the_folder_of_the_job(tmp_path: Path, cache: DataCache) -> None:
    plan = a_plan(tmp_path, a=b"12345")
    assert a_fetcher(cache, LinkMode.COPY, 0).room_needed([plan]) == [RoomNeeded(plan.root, 5)]
