"""Remembering files' MD5s."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from airflow_dlaas.storage.sources.local import MTIME_RESOLUTION_NS, LocalFile
from airflow_dlaas.storage.transfer import checksum_cache as known_files
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache, default_path

OLD = time.time_ns() - 10 * MTIME_RESOLUTION_NS


def file(place: str = "/a", changed: int = OLD) -> LocalFile:
    return LocalFile(place, 1, 2, (changed, changed))


def test_what_was_noted_is_known_to_the_next_process(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "md5"
    with ChecksumCache(place) as known:
        known.set_md5s(file(), 0, ["m"])
        known.set_md5s(file(), 64, ["1", "2"])
    again = ChecksumCache(place)
    again.prefetch([file()])
    assert again.get_md5s(file(), 0) == ["m"]
    assert again.get_md5s(file(), 64) == ["1", "2"]
    assert again.get_md5s(file(), 32) is None


def test_a_file_that_changed_is_not_known() -> None:
    known = ChecksumCache()
    known.set_md5s(file(), 0, ["m"])
    assert known.get_md5s(file(changed=OLD + 1), 0) is None
    assert known.get_md5s(file("/b"), 0) is None


def test_a_file_that_changed_just_now_is_not_noted() -> None:
    """Its times might be the same after another change."""
    known, one = ChecksumCache(), LocalFile("/a", 1, 2, (OLD, OLD), stat_time_ns=OLD + MTIME_RESOLUTION_NS)
    known.set_md5s(one, 0, ["m"])
    assert known.get_md5s(one, 0) is None


def test_many_files_are_looked_up(tmp_path: Path) -> None:
    files = [file(f"/{number}") for number in range(2500)]
    with ChecksumCache(tmp_path / "md5") as known:
        for number, one in enumerate(files):
            known.set_md5s(one, 0, [str(number)])
    again = ChecksumCache(tmp_path / "md5")
    again.prefetch(files)
    assert [again.get_md5s(one, 0) for one in files] == [[str(number)] for number in range(2500)]


@pytest.mark.parametrize("trouble", ["no database", "a folder", "unwritable"])
def test_without_a_place_to_remember_everything_works_as_if_nothing_were_known(tmp_path: Path, trouble: str) -> None:
    place = tmp_path / "md5"
    if trouble == "no database":
        place.write_bytes(b"not a database" * 100)
    elif trouble == "a folder":
        place.mkdir()
    else:
        place = Path("/proc/nowhere/md5")
    with ChecksumCache(place) as known:
        known.prefetch([file()])
        known.set_md5s(file(), 0, ["m"])
    again = ChecksumCache(place)
    again.prefetch([file()])
    assert again.get_md5s(file(), 0) in (None, ["m"])  # a broken file is replaced, and then it is known


def test_processes_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_files, "LOCK_TIMEOUT", 30.0)  # a thread that writes may get no processor for long

    def one(number: int) -> None:
        with ChecksumCache(tmp_path / "md5") as known:
            known.set_md5s(file(f"/{number}"), 0, [str(number)])

    threads = [threading.Thread(target=one, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = ChecksumCache(tmp_path / "md5")
    known.prefetch([file(f"/{number}") for number in range(8)])
    assert [known.get_md5s(file(f"/{number}"), 0) for number in range(8)] == [[str(number)] for number in range(8)]


def test_the_usual_place_is_the_users_cache() -> None:
    assert default_path().parts[-2:] == ("airflow-dlaas", "md5.sqlite3")
    assert str(default_path()).startswith(os.environ.get("XDG_CACHE_HOME") or str(Path.home()))
