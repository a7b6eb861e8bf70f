from __future__ import annotations

from airflow_dlaas.service.objectstore.cache_middleware import MemoryCache


def test_entry_expires():
    now = 100.0
    cache = MemoryCache(monotonic_clock=lambda: now)
    cache.set("k", "v", time=10)
    now = 109.9
    assert cache.get("k") == "v"
    now = 110.0
    assert cache.get("k") is None


def test_get_returns_a_copy():
    cache = MemoryCache()
    cache.set("k", {"a": [1]})
    cache.get("k")["a"].append(2)
    assert cache.get("k") == {"a": [1]}


def test_least_recently_used_entry_is_removed_first():
    cache = MemoryCache(max_entries=2)
    cache.set("old", 1)
    cache.set("used", 2)
    cache.get("old")
    cache.set("new", 3)
    assert cache.get_multi(["old", "used", "new"], "") == [1, None, 3]


def test_counter_is_never_below_zero():
    cache = MemoryCache()
    assert cache.incr("n", 2) == 2
    assert cache.decr("n", 5) == 0


def test_deleting_a_missing_entry_is_no_error():
    MemoryCache().delete("k")
