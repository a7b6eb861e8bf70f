"""The checksum cache."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from airflow_dlaas.storage.sources.local import MTIME_RESOLUTION_NS, LocalFile
from airflow_dlaas.storage.transfer import checksum_cache
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

OLD = time.time_ns() - 10 * MTIME_RESOLUTION_NS


def file(location: str = "/a", changed: int = OLD) -> LocalFile:
    return LocalFile(location, 1, 2, (changed, changed))


def test_cache_file_keeps_entries_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "md5"
    with ChecksumCache(path) as cache:
        cache.set_md5s(file(), 0, ["m"])
        cache.set_md5s(file(), 64, ["1", "2"])
    again = ChecksumCache(path)
    again.prefetch([file()])
    assert again.get_md5s(file(), 0) == ["m"]
    assert again.get_md5s(file(), 64) == ["1", "2"]
    assert again.get_md5s(file(), 32) is None


def test_cache_has_no_entry_for_a_changed_file() -> None:
    cache = ChecksumCache()
    cache.set_md5s(file(), 0, ["m"])
    assert cache.get_md5s(file(changed=OLD + 1), 0) is None
    assert cache.get_md5s(file("/b"), 0) is None


def test_cache_ignores_a_file_that_has_just_changed() -> None:
    """The file's times might be the same after another change."""
    cache, one = ChecksumCache(), LocalFile("/a", 1, 2, (OLD, OLD), stat_time_ns=OLD + MTIME_RESOLUTION_NS)
    cache.set_md5s(one, 0, ["m"])
    assert cache.get_md5s(one, 0) is None


def test_prefetch_looks_up_many_files(tmp_path: Path) -> None:
    files = [file(f"/{number}") for number in range(2500)]
    with ChecksumCache(tmp_path / "md5") as cache:
        for number, one in enumerate(files):
            cache.set_md5s(one, 0, [str(number)])
    again = ChecksumCache(tmp_path / "md5")
    again.prefetch(files)
    assert [again.get_md5s(one, 0) for one in files] == [[str(number)] for number in range(2500)]


@pytest.mark.parametrize("problem", ["no database", "a folder", "unwritable"])
def test_unusable_cache_file_acts_as_an_empty_cache(tmp_path: Path, problem: str) -> None:
    path = tmp_path / "md5"
    if problem == "no database":
        path.write_bytes(b"not a database" * 100)
    elif problem == "a folder":
        path.mkdir()
    else:
        path = Path("/proc/nowhere/md5")
    with ChecksumCache(path) as cache:
        cache.prefetch([file()])
        cache.set_md5s(file(), 0, ["m"])
    again = ChecksumCache(path)
    again.prefetch([file()])
    assert again.get_md5s(file(), 0) in (None, ["m"])  # a damaged file is replaced, and then has the entry


def test_cache_file_is_shared_by_concurrent_writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksum_cache, "LOCK_TIMEOUT", 30.0)  # on a busy machine a thread may write for long

    def add_entry(number: int) -> None:
        with ChecksumCache(tmp_path / "md5") as cache:
            cache.set_md5s(file(f"/{number}"), 0, [str(number)])

    threads = [threading.Thread(target=add_entry, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache = ChecksumCache(tmp_path / "md5")
    cache.prefetch([file(f"/{number}") for number in range(8)])
    assert [cache.get_md5s(file(f"/{number}"), 0) for number in range(8)] == [[str(number)] for number in range(8)]


def test_default_path_is_in_the_cache_directory_of_the_user() -> None:
    assert default_path().parts[-2:] == ("airflow-dlaas", "md5.sqlite3")
    assert str(default_path()).startswith(os.environ.get("XDG_CACHE_HOME") or str(Path.home()))


def test_damaged_cache_file_is_deleted_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "md5"
    path.write_bytes(b"not a database" * 100)
    ChecksumCache(path).prefetch([file()])
    assert not path.exists()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"The checksum cache {path} is damaged" in record.getMessage()
