from __future__ import annotations

from airflow_dlaas.service.objectstore.cache_middleware import MemoryCache


def test_an_entry_is_forgotten_when_its_time_is_over():
    now = 100.0
    cache = MemoryCache(monotonic_clock=lambda: now)
    cache.set("k", "v", time=10)
    now = 109.9
    assert cache.get("k") == "v"
    now = 110.0
    assert cache.get("k") is None


def test_what_is_read_is_a_copy():
    cache = MemoryCache()
    cache.set("k", {"a": [1]})
    cache.get("k")["a"].append(2)
    assert cache.get("k") == {"a": [1]}


def test_the_entry_not_used_for_longest_makes_room():
    cache = MemoryCache(max_entries=2)
    cache.set("old", 1)
    cache.set("used", 2)
    cache.get("old")
    cache.set("new", 3)
    assert cache.get_multi(["old", "used", "new"], "") == [1, None, 3]


def test_a_count_never_falls_below_nothing():
    cache = MemoryCache()
    assert cache.incr("n", 2) == 2
    assert cache.decr("n", 5) == 0


def test_deleting_what_is_not_there_is_no_error():
    MemoryCache().delete("k")
