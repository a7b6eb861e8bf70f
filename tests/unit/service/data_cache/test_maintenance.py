from __future__ import annotations

from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.service.data_cache.leftovers import remove_leftovers
from airflow_dlaas.service.data_cache.maintenance import list_sources, prune
from tests.memory_store import MemoryStore
from tests.unit.service.data_cache.conftest import ACCOUNT, CacheStage


def test_containers_are_listed_with_their_use(stage: CacheStage) -> None:
    store = MemoryStore(one=b"hello", two=b"world!")
    stage.load(store, "other", account="http://other")
    with stage.open() as running:
        stage.load_with(running, store, stage.job("job"))
        found = list_sources(stage.folder)
    assert [(one.account_url, one.container, one.files, one.bytes, one.trainings) for one in found] == [
        ("http://other", "c", 2, 11, 0),
        (ACCOUNT, "c", 2, 11, 1),
    ]
    assert found[0].used_at <= found[1].used_at


def test_prune_removes_what_is_unused(stage: CacheStage) -> None:
    with stage.open() as running:
        stage.load_with(running, MemoryStore(used=b"u" * 10), stage.job("job"))
        stage.load(MemoryStore(unused=b"x" * 20), "other", account="http://other")
        assert prune(stage.folder, unused_seconds=3600, max_bytes=None) == []
        removed = prune(stage.folder, unused_seconds=0, max_bytes=None)
    assert [one.size for one in removed] == [20]
    assert list(stage.entries()) == [10]
    assert [one.container for one in list_sources(stage.folder)] == ["c"]


def test_prune_to_a_size_removes_the_least_recently_used(stage: CacheStage) -> None:
    for size in (10, 20, 30):
        stage.load(MemoryStore(**{f"n{size}": b"x" * size}), f"job-{size}")
    removed = prune(stage.folder, unused_seconds=None, max_bytes=35)
    assert [one.size for one in removed] == [10, 20]


def test_leftovers_of_killed_fills_are_removed_and_live_ones_stay(stage: CacheStage) -> None:
    stage.load(MemoryStore(one=b"hello"))
    folder = stage.folder
    keys = [f"{digit * 40}.{digit * 40}.{digit * 32}" for digit in "abc"]
    for key in keys:
        (folder.filling / key).write_bytes(b"half")
        (folder.filling / key).chmod(0o444)
        (folder.filling / f".{key}.0123456789abcdef.part").write_bytes(b"half")
        (folder.filling / f".{key}.0123456789abcdef-5000.part").write_bytes(b"parts")
    with file_lock(folder.filling / f"{keys[0]}.lock"):
        remove_leftovers(folder)
        left = {path.name for path in folder.filling.iterdir()}
        assert {name for name in left if keys[0] in name} >= {keys[0], f"{keys[0]}.lock"}
        assert {name for name in left if keys[1] in name} == {f".{keys[1]}.0123456789abcdef-5000.part"}
        remove_leftovers(folder, parts_max_age=0)
        assert all(keys[0] in path.name for path in folder.filling.iterdir())
