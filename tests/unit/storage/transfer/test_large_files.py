"""Transfers of large files in segments, and the checksum cache, with a store in memory."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import Corrupted
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoreLimits, WriteAt
from airflow_dlaas.storage.sources import local
from airflow_dlaas.storage.sources.local import MTIME_RESOLUTION_NS, LocalFile, Source, local_sources
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    TransferReport,
    UploadOptions,
    delete_objects,
    download,
    upload,
)
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from tests.memory_store import MemoryStore, RemoteTestFile, md5
from tests.unit.storage.transfer.test_api import write_files


def upload_in_segments(store: MemoryStore, path: Path) -> TransferReport:
    return upload(store, path, "c", UploadOptions(segment_size=4))


def test_large_file_is_uploaded_in_segments_and_downloaded_complete(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789")
    assert upload_in_segments(store, tmp_path / "big") == TransferReport(1, 10, 0)
    assert store.objects == {"big": b"0123456789"}
    assert len(store.segments()) == 3
    assert download(store, "c", tmp_path / "there", DownloadOptions(segment_size=4)) == TransferReport(1, 10, 0)
    assert (tmp_path / "there" / "big").read_bytes() == b"0123456789"
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["big"]


def test_unchanged_large_file_sends_no_byte(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789")
    upload_in_segments(store, tmp_path / "big")
    assert upload_in_segments(store, tmp_path / "big") == TransferReport(0, 0, 1)
    assert download(store, "c", tmp_path, DownloadOptions(segment_size=4)) == TransferReport(0, 0, 1)
    assert store.bytes_sent == 10


def test_changed_large_file_sends_only_its_changed_segments(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789")
    upload_in_segments(store, tmp_path / "big")
    write_files(tmp_path, big=b"0123xxxx89")
    assert upload_in_segments(store, tmp_path / "big") == TransferReport(1, 4, 0)
    assert store.objects == {"big": b"0123xxxx89"}
    assert len(store.segments()) == 3


def test_segments_of_another_size_made_by_another_program_count_as_unchanged(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789")
    store.containers["others"] = {"1": b"01234", "2": b"56789"}
    parts = [Part(0, 5, md5(b"01234"), ("others", "1")), Part(5, 5, md5(b"56789"), ("others", "2"))]
    store.complete_multipart("c", "big", parts)
    assert upload_in_segments(store, tmp_path / "big") == TransferReport(0, 0, 1)
    write_files(tmp_path, big=b"x123456789")
    assert upload_in_segments(store, tmp_path / "big").files == 1
    assert sorted(store.containers["others"]) == ["1", "2"]  # which may be shared


def test_segments_of_a_file_that_became_small_are_deleted(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789")
    upload_in_segments(store, tmp_path / "big")
    write_files(tmp_path, big=b"0")
    upload_in_segments(store, tmp_path / "big")
    assert (store.objects, store.segments()) == ({"big": b"0"}, set())


def test_deletion_of_a_large_object_deletes_its_segments_only(tmp_path: Path) -> None:
    store = MemoryStore()
    write_files(tmp_path, big=b"0123456789", **{"big.2": b"9876543210"})
    upload(store, tmp_path, "c", UploadOptions(segment_size=4))
    assert delete_objects(store, "c", names=["big"]) == ["big"]
    assert store.objects == {"big.2": b"9876543210"}
    assert len(store.segments()) == 3


def test_file_written_during_the_upload_is_refused_and_the_old_object_stays(tmp_path: Path) -> None:
    store = MemoryStore(big=b"before")
    write_files(tmp_path, big=b"0123456789")

    def write(progress: Progress) -> None:
        if progress.bytes_done == 4:
            (tmp_path / "big").write_bytes(b"9876543210")

    with pytest.raises(Corrupted, match="was written while it was being sent"):
        upload(store, tmp_path / "big", "c", UploadOptions(segment_size=4, threads=1, progress=write))
    assert store.objects == {"big": b"before"}


def test_store_without_segments_gets_a_large_file_in_one_piece(tmp_path: Path) -> None:
    store = MemoryStore(StoreLimits())
    upload_in_segments(store, write_files(tmp_path, big=b"0123456789") / "big")
    assert store.containers == {"c": {"big": b"0123456789"}}


def test_remote_files_are_uploaded_and_verified() -> None:
    store = MemoryStore()
    small, large = Source("small", RemoteTestFile(b"123")), Source("large", RemoteTestFile(b"0123456789"))
    assert upload(store, [small, large], "c", UploadOptions(segment_size=4)) == TransferReport(2, 13, 0)
    assert upload(store, [small, large], "c", UploadOptions(segment_size=4)) == TransferReport(0, 0, 2)
    assert store.objects == {"small": b"123", "large": b"0123456789"}


# ---- checksum cache


def test_file_in_the_checksum_cache_is_not_read_again(tmp_path: Path) -> None:
    store, cache_file = MemoryStore(), tmp_path / "cache" / "md5"
    folder = write_files(tmp_path / "here", a=b"abc", big=b"0123456789")
    with ChecksumCache(cache_file) as cache:
        upload(store, stable_sources(folder, LocalFile), "c", UploadOptions(segment_size=4, checksum_cache=cache))
    assert (
        upload(
            store,
            stable_sources(folder, UnreadableFile),
            "c",
            UploadOptions(segment_size=4, checksum_cache=ChecksumCache(cache_file)),
        ).unchanged
        == 2
    )


def test_file_that_has_just_changed_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's times might not show another change that follows at once."""
    # Longer than the test takes until the upload.
    monkeypatch.setattr(local, "MTIME_RESOLUTION_NS", 3600 * 10**9)
    store, cache_file = MemoryStore(), tmp_path / "cache" / "md5"
    folder = write_files(tmp_path / "here", a=b"abc")
    with ChecksumCache(cache_file) as cache:
        upload(store, folder, "c", UploadOptions(checksum_cache=cache))
    with pytest.raises(AssertionError, match="was read"):
        upload(
            store, stable_sources(folder, UnreadableFile), "c", UploadOptions(checksum_cache=ChecksumCache(cache_file))
        )


class UnreadableFile(LocalFile):
    """A file that must not be read."""

    def part(self, *_: int) -> Body:
        raise AssertionError(f"{self.location} was read")


def stable_sources(folder: Path, kind: type[LocalFile]) -> list[Source]:
    """Find the files in *folder* as if their last change were so long ago that their fingerprints are stable."""
    later = time.time_ns() + MTIME_RESOLUTION_NS + 1
    return [Source(one.name, kind(**{**asdict(one.file), "stat_time_ns": later})) for one in local_sources(folder)]


# ---- damaged downloads


class DamagingStore(MemoryStore):
    """Returns damaged content for the first *damaged* parts that are fetched."""

    damaged = 0

    def read_content(self, name: str, start: int, size: int) -> bytes:
        self.damaged -= 1
        content = self.content("c", name)[start : start + size]
        return bytes(size) if self.damaged >= 0 else content

    def get_part(
        self,
        container: str,  # noqa: ARG002
        name: str,
        layout: ObjectLayout,  # noqa: ARG002
        part: Part,
        write_at: WriteAt,
        *,
        on_progress: BytesCallback | None = None,
    ) -> None:
        write_at(part.start, self.read_content(name, part.start, part.size))
        if on_progress:
            on_progress(part.size)


def test_damaged_large_file_is_downloaded_again_and_the_retry_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = DamagingStore(big=b"0123456789")
    store.damaged = 1
    assert download(store, "c", tmp_path, DownloadOptions(segment_size=4)) == TransferReport(1, 10, 0)
    assert (tmp_path / "big").read_bytes() == b"0123456789"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "Downloading c/big failed" in record.getMessage()
    assert "retrying all parts now (attempt 2 of 2)" in record.getMessage()


def test_large_file_that_is_damaged_twice_is_an_error(tmp_path: Path) -> None:
    store = DamagingStore(big=b"0123456789")
    store.damaged = 6
    with pytest.raises(Corrupted, match="did not arrive as it was stored"):
        download(store, "c", tmp_path, DownloadOptions(segment_size=4))
    assert not list(tmp_path.iterdir())
