"""Transfers of large objects with a store that keeps parts as S3 does: no segments, and no MD5 of each part."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import Corrupted, StoreUnreachable
from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.object_store import BytesCallback, ObjectLayout, Part, StoreLimits, WriteAt
from airflow_dlaas.storage.sources.local import LocalFile
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
from airflow_dlaas.storage.transfer.copy import copy
from airflow_dlaas.storage.transfer.stream_upload import StreamUpload
from tests.memory_parts_store import MemoryPartsStore
from tests.unit.storage.transfer.test_api import write_files
from tests.unit.storage.transfer.test_large_files import UnreadableFile, stable_sources

CONTENT = b"0123456789"


def send(store: MemoryPartsStore, path: Path, cache: ChecksumCache | None = None) -> TransferReport:
    return upload(store, path, "c", UploadOptions(segment_size=4, checksum_cache=cache))


def test_large_file_is_uploaded_in_parts_and_downloaded_complete(tmp_path: Path) -> None:
    store = MemoryPartsStore()
    write_files(tmp_path, big=CONTENT)
    assert send(store, tmp_path / "big") == TransferReport(1, 10, 0)
    assert store.objects == {"big": CONTENT}
    assert download(store, "c", tmp_path / "there", DownloadOptions(segment_size=4)) == TransferReport(1, 10, 0)
    assert (tmp_path / "there" / "big").read_bytes() == CONTENT


def test_interrupted_upload_sends_only_what_is_missing(tmp_path: Path) -> None:
    store = MemoryPartsStore()
    write_files(tmp_path, big=CONTENT)

    def fail(progress: Progress) -> None:
        if progress.bytes_done >= 8:
            raise StoreUnreachable("gone")

    with pytest.raises(StoreUnreachable):
        upload(store, tmp_path / "big", "c", UploadOptions(segment_size=4, threads=1, progress=fail))
    assert not store.objects
    assert store.bytes_sent == 8
    assert send(store, tmp_path / "big").files == 1
    assert store.bytes_sent < 2 * 8
    assert store.objects == {"big": CONTENT}
    assert not store.uploads


def test_unchanged_file_with_cached_md5s_is_found_by_the_listing_alone(tmp_path: Path) -> None:
    store, cache_file = MemoryPartsStore(), tmp_path / "cache" / "md5"
    folder = write_files(tmp_path / "here", big=CONTENT)
    options = {"segment_size": 4}
    with ChecksumCache(cache_file) as cache:
        upload(store, stable_sources(folder, LocalFile), "c", UploadOptions(checksum_cache=cache, **options))
    store.layouts_read = 0
    unread = stable_sources(folder, UnreadableFile)
    again = upload(store, unread, "c", UploadOptions(checksum_cache=ChecksumCache(cache_file), **options))
    assert (again, store.layouts_read) == (TransferReport(0, 0, 1), 0)


@pytest.mark.parametrize("parts", [[b"012", b"345", b"678", b"9"], [b"01234567", b"89"], [b"0", b"123", b"456789"]])
def test_file_is_compared_with_the_parts_that_another_program_has_stored(tmp_path: Path, parts: list[bytes]) -> None:
    store = MemoryPartsStore()
    write_files(tmp_path, big=CONTENT)
    store.store_parts("big", parts)
    assert send(store, tmp_path / "big") == TransferReport(0, 0, 1)
    assert download(store, "c", tmp_path, DownloadOptions(segment_size=4)) == TransferReport(0, 0, 1)
    write_files(tmp_path, big=b"x123456789")
    assert send(store, tmp_path / "big").files == 1
    assert store.objects == {"big": b"x123456789"}


def test_md5s_of_parts_of_another_size_are_read_once(tmp_path: Path) -> None:
    store, cache_file = MemoryPartsStore(), tmp_path / "cache" / "md5"
    folder = write_files(tmp_path / "here", big=CONTENT)
    store.store_parts("big", [b"012", b"345", b"678", b"9"])
    with ChecksumCache(cache_file) as cache:
        sources = stable_sources(folder, LocalFile)
        assert upload(store, sources, "c", UploadOptions(checksum_cache=cache)).unchanged == 1
    unread = stable_sources(folder, UnreadableFile)
    assert upload(store, unread, "c", UploadOptions(checksum_cache=ChecksumCache(cache_file))).unchanged == 1


class DamagingStore(MemoryPartsStore):
    """Returns other content for the first *damaged* parts that are fetched."""

    damaged = 0

    def get_part(
        self,
        container: str,
        name: str,
        layout: ObjectLayout,
        part: Part,
        write_at: WriteAt,
        *,
        on_progress: BytesCallback | None = None,
    ) -> None:
        self.damaged -= 1
        if self.damaged < 0:
            super().get_part(container, name, layout, part, write_at, on_progress=on_progress)
            return
        write_at(part.start, bytes(part.size))
        if on_progress:
            on_progress(part.size)


def test_damaged_download_is_found_by_the_etag_of_all_parts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = DamagingStore()
    store.store_parts("big", [b"0123", b"4567", b"89"])
    store.damaged = 1
    with caplog.at_level(logging.WARNING):
        download(store, "c", tmp_path, DownloadOptions(segment_size=4))
    assert (tmp_path / "big").read_bytes() == CONTENT
    assert "retrying all parts now" in caplog.text
    (tmp_path / "big").unlink()
    store.damaged = 6
    with pytest.raises(Corrupted, match="did not arrive as it was stored"):
        download(store, "c", tmp_path, DownloadOptions(segment_size=4))


def test_large_objects_are_deleted_together_with_small_ones(tmp_path: Path) -> None:
    store = MemoryPartsStore(small=b"1")
    send(store, write_files(tmp_path, big=CONTENT) / "big")
    store.delete_calls = 0
    assert sorted(delete_objects(store, "c")) == ["big", "small"]
    assert (store.objects, store.delete_calls) == ({}, 1)


def test_object_that_the_store_does_not_copy_is_copied_through_the_client() -> None:
    store = MemoryPartsStore()
    store.store_parts("big", [b"0123", b"4567", b"89"])
    copy(store, "c", "big", "c", "copy")
    assert store.objects == {"big": CONTENT, "copy": CONTENT}


def test_parts_of_a_stream_have_the_least_size_that_the_store_takes() -> None:
    class RecordingStore(MemoryPartsStore):
        part_sizes: list[int]

        def begin_multipart(self, *args: str, **options: object) -> RecordingUpload:  # type: ignore[override]
            self.part_sizes = []
            return RecordingUpload(self, super().begin_multipart(*args, **options))  # type: ignore[arg-type]

    class RecordingUpload:
        def __init__(self, store: RecordingStore, upload: object) -> None:
            self._store, self._upload = store, upload

        def __getattr__(self, name: str) -> object:
            return getattr(self._upload, name)

        def put_part(self, number: int, body: Body) -> str:
            self._store.part_sizes.append(body.size)
            return self._upload.put_part(number, body)  # type: ignore[attr-defined, no-any-return]

    store = RecordingStore(StoreLimits(max_segments=1000, min_part_size=8))
    stream = StreamUpload(store, "c", "a", 3)
    stream.write(memoryview(CONTENT * 2))
    stream.finish()
    assert store.part_sizes == [8, 8, 4]
    assert store.objects == {"a": CONTENT * 2}


def test_discarded_stream_leaves_no_part() -> None:
    store = MemoryPartsStore()
    stream = StreamUpload(store, "c", "a", 4)
    stream.write(memoryview(CONTENT))
    assert store.uploads
    stream.discard()
    assert (store.objects, dict(store.uploads)) == ({}, {})
