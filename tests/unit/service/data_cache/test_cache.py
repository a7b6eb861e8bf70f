"""What `DataCache.materialize` promises, with a store in memory."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace
from typing import Any

import pytest

from airflow_dlaas.exceptions import Corrupted, HostError, StoreError
from airflow_dlaas.service.data_cache.cache import CacheOptions, CacheReport, LinkMode
from airflow_dlaas.storage.object_store import Part, StoredObject
from airflow_dlaas.storage.transfer.plan import planned_downloads
from airflow_dlaas.storage.transfer.worker_pool import Progress
from tests.memory_store import MemoryStore, md5
from tests.unit.service.data_cache.conftest import ACCOUNT, SEGMENT_SIZE, CacheStage

CONTENT = {
    "a/b/small": b"hello",
    "a/other": b"x" * 1500,
    "empty": b"",
    "large": bytes(range(256)) * 20,
}
TOTAL = sum(map(len, CONTENT.values()))

OPTIONS = CacheOptions(account_url=ACCOUNT, segment_size=SEGMENT_SIZE)

MODES = [LinkMode.SYMLINK, LinkMode.HARDLINK, LinkMode.COPY]
"""Modes that every file system has; reflinks are tried where the temporary folder has them."""


def store_of(content: dict[str, bytes]) -> MemoryStore:
    return MemoryStore(**content)


@pytest.mark.parametrize("mode", MODES)
def test_first_training_fetches_and_the_second_sends_no_request(stage: CacheStage, mode: LinkMode) -> None:
    store = store_of(CONTENT)
    assert stage.load(store, "first", mode) == CacheReport(fetched_files=4, fetched_bytes=TOTAL)
    assert stage.read("first") == CONTENT
    store.asked.clear()
    assert stage.load(store, "second", mode) == CacheReport(cached_files=4, cached_bytes=TOTAL)
    assert stage.read("second") == CONTENT
    assert store.asked == []


def test_only_what_changed_is_fetched(stage: CacheStage) -> None:
    store = store_of(CONTENT)
    stage.load(store, "first")
    store.containers["c"]["a/other"] = b"y" * 1500
    store.asked.clear()
    report = stage.load(store, "second")
    assert (report.cached_files, report.fetched_files) == (3, 1)
    assert store.asked == ["a/other@0"]
    assert stage.read("second") == {**CONTENT, "a/other": b"y" * 1500}
    assert stage.read("first") == CONTENT, "the files of a training stay as they were"


def test_object_of_segments_is_cached_by_its_etag(stage: CacheStage) -> None:
    store = store_of({})
    store.containers["s"] = {"1": b"a" * 30, "2": b"b" * 20}
    parts = [Part(0, 30, md5(b"a" * 30), ("s", "1")), Part(30, 20, md5(b"b" * 20), ("s", "2"))]
    store.containers["c"]["joined"] = parts
    assert stage.load(store, "first").fetched_files == 1
    assert stage.load(store, "second").cached_files == 1
    assert stage.read("second") == {"joined": b"a" * 30 + b"b" * 20}


class WithoutDigests(MemoryStore):
    """A store whose listings show no digest."""

    def list_objects(self, container: str, prefix: str = "") -> Any:
        return (replace(one, md5=None, slo_etag=None) for one in super().list_objects(container, prefix))


def test_objects_without_a_digest_are_loaded_without_the_cache(stage: CacheStage) -> None:
    store = WithoutDigests(small=b"hello", large=b"x" * 5000)
    assert stage.load(store, "first") == CacheReport(direct_files=2, direct_bytes=5005)
    assert stage.read("first") == {"small": b"hello", "large": b"x" * 5000}
    assert stage.entries() == {}


class HiddenSegments(MemoryStore):
    """A store whose listings show the MD5 of the manifest for an object of segments, as an old Swift does."""

    def list_objects(self, container: str, prefix: str = "") -> Any:
        return (
            replace(one, md5=md5(b"manifest"), slo_etag=None) if one.slo_etag else one
            for one in super().list_objects(container, prefix)
        )


def test_object_whose_segments_the_listing_hides_is_loaded_without_the_cache(stage: CacheStage) -> None:
    store = HiddenSegments(other=b"other")
    store.containers["s"] = {"1": b"a" * 30}
    store.containers["c"]["joined"] = [Part(0, 30, md5(b"a" * 30), ("s", "1"))]
    report = stage.load(store, "first")
    assert (report.fetched_files, report.direct_files) == (1, 1)
    assert stage.read("first") == {"joined": b"a" * 30, "other": b"other"}


@pytest.mark.parametrize("limit", [10**9, 1], ids=["cached", "direct"])
@pytest.mark.parametrize("size", [0, 100, 5000])
def test_object_that_is_replaced_after_the_listing_is_an_error_and_not_other_content(
    stage: CacheStage, size: int, limit: int
) -> None:
    stage.limit = limit
    store = store_of({"one": b"a" * size})
    planned = planned_downloads(list(store.list_objects("c")))
    store.containers["c"]["one"] = b"b" * (size or 7)
    with stage.open() as cache, pytest.raises(Corrupted, match="replaced"):
        cache.materialize(store, "c", planned, stage.job("job"), OPTIONS)
    assert stage.read("job") == {}
    assert stage.entries() == {}
    assert list(stage.folder.filling.iterdir()) == []


def test_accounts_do_not_share_entries(stage: CacheStage) -> None:
    store = store_of({"one": b"hello"})
    stage.load(store, "first", account="http://a")
    assert stage.load(store, "second", account="http://b").fetched_files == 1


@pytest.mark.parametrize("mode", [LinkMode.SYMLINK, LinkMode.HARDLINK])
def test_linked_files_have_no_write_permission(stage: CacheStage, mode: LinkMode) -> None:
    stage.load(store_of({"one": b"hello"}), "job", mode)
    path = stage.path / "job" / "data" / "one"
    assert path.stat().st_mode & 0o777 == 0o444
    assert path.stat().st_ino == stage.entries()[5].stat().st_ino


def test_copies_are_independent_and_writable(stage: CacheStage) -> None:
    stage.load(store_of({"one": b"hello"}), "job", LinkMode.COPY)
    (stage.path / "job" / "data" / "one").write_bytes(b"other")
    assert stage.entries()[5].read_bytes() == b"hello"


def test_folders_of_a_sandboxed_job_are_real_and_its_links_lead_into_its_own_tree(stage: CacheStage) -> None:
    stage.load(store_of({"a/one": b"hello"}), "job", LinkMode.SYMLINK)
    data = stage.path / "job" / "data"
    assert not (data / "a").is_symlink()
    assert (data / "a" / "one").readlink() == stage.path / "job" / "tree" / "a" / "one"


def test_load_into_the_same_folder_again_replaces_what_is_there(stage: CacheStage) -> None:
    for mode in MODES:
        stage.load(store_of({"a/one": b"hello"}), "job", mode)
        stage.load(store_of({"a/one": b"world"}), "job", mode)
        assert stage.read("job") == {"a/one": b"world"}


def test_link_that_an_earlier_command_has_made_is_not_followed(stage: CacheStage) -> None:
    outside = stage.path / "outside"
    outside.mkdir()
    data = stage.path / "job" / "data"
    data.mkdir(parents=True)
    (data / "a").symlink_to(outside)
    with pytest.raises((HostError, StoreError), match=r"leaves|cannot be written"):
        stage.load(store_of({"a/one": b"hello"}), "job")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("damage", ["content", "size", "link"])
def test_damaged_entry_is_fetched_again(stage: CacheStage, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    store = store_of({"one": b"hello"})
    stage.load(store, "first", LinkMode.COPY)
    entry = stage.entries()[5]
    entry.chmod(0o600)
    if damage == "content":
        entry.write_bytes(b"olleh")
    elif damage == "size":
        os.truncate(entry, 2)
    else:
        entry.unlink()
        entry.symlink_to("/etc/passwd")
    assert stage.load(store, "second").fetched_files == 1
    assert stage.read("second") == {"one": b"hello"}
    assert "The copy of one in the cache of data is damaged" in caplog.text


@pytest.mark.parametrize("is_intact", [True, False])
def test_entry_of_an_earlier_boot_is_verified_once(stage: CacheStage, is_intact: bool) -> None:
    """A power failure can lose content that was just written, and keep its name, size and times."""
    store = store_of({"one": b"hello"})
    stage.load(store, "first", LinkMode.COPY)
    entry = stage.entries()[5]
    if not is_intact:
        entry.chmod(0o600)
        entry.write_bytes(b"\0" * 5)
    os.utime(entry, (0, 1_000_000_002))
    report = stage.load(store, "second")
    assert (report.cached_files, report.fetched_files) == ((1, 0) if is_intact else (0, 1))
    assert stage.read("second") == {"one": b"hello"}
    assert (entry.stat().st_mtime == 1_000_000_000) is is_intact


def test_entry_that_is_removed_by_hand_is_fetched_again(stage: CacheStage) -> None:
    store = store_of({"one": b"hello"})
    stage.load(store, "first")
    stage.entries()[5].unlink()
    assert stage.load(store, "second").fetched_files == 1


def test_least_recently_used_data_makes_room(stage: CacheStage) -> None:
    stage.limit = 1000
    for name in ("first", "second", "third"):
        stage.load(store_of({name: name[:1].encode() * (400 + len(name))}), name)
    assert sorted(stage.entries()) == [405, 406]


def test_data_of_a_training_that_runs_is_not_removed(stage: CacheStage) -> None:
    stage.limit = 1000
    with stage.open() as running:
        stage.load_with(running, store_of({"one": b"1" * 900}), stage.job("first"))
        report = stage.load(store_of({"two": b"2" * 200}), "second")
        assert (report.fetched_files, report.direct_files) == (0, 1)
        assert stage.read("second") == {"two": b"2" * 200}
    assert stage.load(store_of({"three": b"3" * 201}), "third").fetched_files == 1
    assert list(stage.entries()) == [201]


def test_more_data_than_the_limit_is_loaded_in_part_without_the_cache(
    stage: CacheStage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage.limit = 1000
    store = store_of({str(number): str(number).encode() * 300 for number in range(5)})
    report = stage.load(store, "first")
    assert (report.fetched_files, report.direct_files) == (3, 2)
    assert "2 files do not fit into the cache, whose limit is 1000 bytes" in caplog.text
    store.asked.clear()
    assert stage.load(store, "second").cached_files == 3
    assert len(store.asked) == 2
    assert stage.read("second") == store.objects


def test_cache_that_cannot_be_made_is_one_warning(stage: CacheStage, caplog: pytest.LogCaptureFixture) -> None:
    (stage.path / "cache").write_text("a file")
    store = store_of(CONTENT)
    assert stage.load(store).direct_files == 4
    assert stage.read() == CONTENT
    assert [one.levelname for one in caplog.records].count("WARNING") == 1
    assert "the data is loaded without it" in caplog.text


def test_cache_that_is_damaged_meanwhile_is_done_without(stage: CacheStage, caplog: pytest.LogCaptureFixture) -> None:
    store = store_of(CONTENT)
    with stage.open() as cache:
        stage.folder.filling.rmdir()
        stage.folder.filling.write_text("a file")
        assert stage.load_with(cache, store, stage.job("job")).direct_files == 4
    assert stage.read() == CONTENT
    assert "the data is loaded without it" in caplog.text


def test_folder_of_the_cache_is_private(stage: CacheStage) -> None:
    stage.load(store_of(CONTENT))
    for path in [stage.path / "cache", *(stage.path / "cache").rglob("*")]:
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_no_name_is_part_of_a_path(stage: CacheStage) -> None:
    stage.load(store_of({"secret-name/x": b"hello"}))
    assert not [path for path in (stage.path / "cache").rglob("*") if "secret" in path.name or "AUTH" in path.name]


def test_progress_ends_with_the_totals(stage: CacheStage) -> None:
    store, seen = store_of(CONTENT), []
    for job in ("first", "second"):
        seen.clear()
        planned = planned_downloads(store.list_objects("c"))
        options = replace(OPTIONS, progress=seen.append)
        with stage.open() as cache:
            cache.materialize(store, "c", planned, stage.job(job), options)
        last = seen[-1]
        assert (last.bytes_done, last.bytes_total, last.files_done, last.files_total) == (TOTAL, TOTAL, 4, 4)


def test_progress_begins_with_what_is_in_the_cache(stage: CacheStage) -> None:
    """So what is left of the progress has to be fetched, and its time can be estimated."""
    seen: list[Progress] = []
    stage.load(store_of({"z": b"hello"}), "first")
    store = store_of({"a": b"1" * 100, "b": b"2" * 100, "z": b"hello"})
    planned = planned_downloads(store.list_objects("c"))
    with stage.open() as cache:
        options = replace(OPTIONS, progress=seen.append, threads=1)
        cache.materialize(store, "c", planned, stage.job("second"), options)
    assert (seen[0].files_done, seen[0].bytes_done) == (1, 5)


def test_full_disk_of_the_job_is_an_error_with_the_amounts(stage: CacheStage) -> None:
    too_much = shutil.disk_usage(stage.path).free + 10**9
    big = StoredObject("big", too_much, md5(b"x"), next(iter(store_of({"x": b""}).list_objects("c"))).modified)
    with stage.open() as cache, pytest.raises(HostError, match=r"bytes of free space.*need [0-9,]+"):
        cache.materialize(store_of({}), "c", planned_downloads([big]), stage.job("job"), OPTIONS)
    assert stage.entries() == {}


class FailingAfter(MemoryStore):
    """A store that sends some parts, and then fails."""

    parts = 2

    def get_part(self, *arguments: Any, **options: Any) -> None:
        if len(self.asked) >= self.parts:
            raise StoreError("The store has failed")
        super().get_part(*arguments, **options)


def test_interrupted_fill_of_a_large_object_is_resumed(stage: CacheStage) -> None:
    stage.threads = 1
    content = {"large": os.urandom(5000)}
    failing, store = FailingAfter(**content), store_of(content)
    with pytest.raises(StoreError, match="has failed"):
        stage.load(failing, "first")
    assert stage.load(store, "second").fetched_files == 1
    assert stage.read("second") == content
    assert len(store.asked) == 3
