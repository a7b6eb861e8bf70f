from __future__ import annotations

import os

import pytest

from airflow_dlaas.service.data_cache.cache import LinkMode
from airflow_dlaas.service.data_cache.scrub import scrub
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.transfer.worker_pool import Progress
from tests.memory_store import MemoryStore, md5
from tests.unit.service.data_cache.conftest import CacheStage


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(one=b"hello", two=b"x" * 3000)
    store.containers["s"] = {"1": b"a" * 30}
    store.containers["c"]["joined"] = [Part(0, 30, md5(b"a" * 30), ("s", "1"))]
    return store


def test_intact_cache_is_read_completely(stage: CacheStage, store: MemoryStore) -> None:
    stage.load(store)
    seen: list[Progress] = []
    report = scrub(stage.folder, seen.append)
    assert (report.files, report.bytes, report.damaged) == (3, 3035, ())
    assert seen[-1] == Progress(3035, 3035, 3, 3)


@pytest.mark.parametrize("size", [5, 30, 3000])
def test_entry_whose_bits_have_changed_is_dropped(stage: CacheStage, store: MemoryStore, size: int) -> None:
    """Size and times are those of the verified file: only its content shows the damage."""
    stage.load(store, "first", LinkMode.COPY)
    entry = stage.entries()[size]
    status = entry.stat()
    entry.chmod(0o600)
    with entry.open("r+b") as file:
        file.write(b"?")
    os.utime(entry, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = scrub(stage.folder)
    assert [(one.file.size, one.reason) for one in report.damaged] == [(size, "its content has another checksum")]
    assert size not in stage.entries()
    assert stage.load(store, "second").fetched_files == 1
    assert stage.read("second") == store.objects


def test_entry_that_was_written_is_dropped(stage: CacheStage, store: MemoryStore) -> None:
    stage.load(store)
    entry = stage.entries()[5]
    entry.chmod(0o600)
    entry.write_bytes(b"olleh")
    assert [one.reason for one in scrub(stage.folder).damaged] == ["it was written after it had been verified"]


def test_entry_whose_checksums_are_lost_is_dropped(stage: CacheStage, store: MemoryStore) -> None:
    stage.load(store)
    entry = stage.entries()[30]
    entry.with_name(entry.name + ".json").unlink()
    assert [one.file.size for one in scrub(stage.folder).damaged] == [30]


def test_verification_is_no_use(stage: CacheStage, store: MemoryStore) -> None:
    """Otherwise each verification would make all data the most recently used."""
    stage.load(store)
    before = {one.name: one.used_ns for one in stage.folder.files()}
    scrub(stage.folder)
    assert {one.name: one.used_ns for one in stage.folder.files()} == before


def test_verification_makes_the_mark_durable(stage: CacheStage, store: MemoryStore) -> None:
    stage.load(store)
    os.utime(stage.entries()[5], (0, 1_000_000_002))
    assert scrub(stage.folder).damaged == ()
    assert stage.entries()[5].stat().st_mtime == 1_000_000_000
