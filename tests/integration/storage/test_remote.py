"""Upload of remote files to a real OpenStack Swift, without a copy on the local disk."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreUnreachable
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.sources.local import local_sources
from airflow_dlaas.storage.sources.remote import remote_sources
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import TransferReport, UploadOptions, upload
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from tests.stored import contents, random_bytes, segments, write_tree

TREE = {"a.csv": b"1", "deep/b.csv": b"22", "deep/er/c.txt": b"333", ".hidden": b"4"}


class RemoteFolder:
    """A folder of a file system of fsspec."""

    def __init__(self, fs: Any, folder: str, uri: str) -> None:
        self.fs, self.folder, self.uri = fs, folder, uri

    def write(self, tree: dict[str, bytes]) -> None:
        for name, content in tree.items():
            self.fs.makedirs(self.fs._parent(f"{self.folder}/{name}"), exist_ok=True)
            self.fs.pipe_file(f"{self.folder}/{name}", content)

    def find(self, name: str = "", **options: Any) -> list[Any]:
        path = f"/{name}" if name else ""
        return remote_sources(self.fs, self.folder + path, self.uri + path, **options)


@pytest.fixture(params=["memory", "local", "swift"])
def remote(request: pytest.FixtureRequest, store: SwiftStore, tmp_path: Path) -> Iterator[RemoteFolder]:
    name = uuid.uuid4().hex
    if request.param == "memory":
        fs = MemoryFileSystem()
        yield RemoteFolder(fs, f"/{name}/data", f"memory:///{name}/data")
        fs.rm(f"/{name}", recursive=True)
    elif request.param == "local":
        yield RemoteFolder(LocalFileSystem(), f"{tmp_path}/data", f"file://{tmp_path}/data")
    else:
        store.create_container(name)
        yield RemoteFolder(SwiftFileSystem(store), f"{name}/data", f"swift://conn@{name}/data")


def test_remote_files_get_the_names_of_local_files(remote: RemoteFolder, tmp_path: Path) -> None:
    remote.write(TREE)
    local = write_tree(tmp_path / "here", TREE)
    for pattern in ("", "a.csv", "deep", "*.csv", "**/*.csv", "d*/b.csv", "de*"):
        expected = [one.name for one in local_sources(local / pattern if pattern else local)]
        found = remote.find(pattern)
        assert [one.name for one in found] == expected, pattern
        assert all(one.file.location.startswith(f"{remote.uri}/") for one in found)
        assert all(one.file.location.endswith(one.name) for one in found)


def test_include_and_exclude_select_the_files_that_they_select_locally(remote: RemoteFolder, tmp_path: Path) -> None:
    remote.write(TREE)
    local = write_tree(tmp_path / "here", TREE)
    for include, exclude in [(["*.csv"], []), (None, ["deep"]), (["deep"], ["*.txt"])]:
        expected = [one.name for one in local_sources(local, include, exclude)]
        assert [one.name for one in remote.find(include=include, exclude=exclude)] == expected


def test_upload_sends_all_files_once(remote: RemoteFolder, store: SwiftStore, container: str) -> None:
    remote.write(TREE)
    assert upload(store, remote.find(), container, UploadOptions(prefix="p")) == TransferReport(4, 7, 0)
    assert contents(store, container) == {f"p/{name}": content for name, content in TREE.items()}
    assert upload(store, remote.find(), container, UploadOptions(prefix="p")) == TransferReport(0, 0, 4)
    remote.write({"a.csv": b"9"})
    assert upload(store, remote.find(), container, UploadOptions(prefix="p")) == TransferReport(1, 1, 3)
    assert upload(store, remote.find("a.csv"), container, UploadOptions(prefix="p")) == TransferReport(0, 0, 1)


@pytest.mark.parametrize("segment_size", [8 * MIB, 64 * MIB])
def test_large_remote_file_is_sent_in_segments_with_little_memory(
    remote: RemoteFolder, store: SwiftStore, container: str, segment_size: int
) -> None:
    content = random_bytes(40 * MIB + 1, 0)
    remote.write({"large": content})
    sources = remote.find("large")
    store.limits()
    tracemalloc.start()
    try:
        report = upload(store, sources, container, UploadOptions(segment_size=segment_size, threads=2))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report == TransferReport(1, len(content), 0)
    assert sorted(segments(store, container).values(), reverse=True)[:1] == [min(segment_size, len(content))]
    assert contents(store, container) == {"large": content}
    assert peak < 48 * MIB  # two threads with 8 MiB each, and the buffers of both sides


def test_checksum_cache_is_used_until_a_remote_file_changes(
    remote: RemoteFolder, store: SwiftStore, container: str, tmp_path: Path
) -> None:
    remote.write({"large": random_bytes(20 * MIB, 0)})

    def upload_again() -> TransferReport:
        return upload(
            store,
            remote.find(),
            container,
            UploadOptions(checksum_cache=ChecksumCache(tmp_path / "cache"), segment_size=8 * MIB),
        )

    assert upload_again().files == 1
    assert upload_again() == TransferReport(0, 0, 1)
    remote.write({"large": random_bytes(20 * MIB, 1)})
    assert upload_again().files == 1
    assert contents(store, container) == {"large": random_bytes(20 * MIB, 1)}


def test_remote_file_that_changes_during_the_upload_is_not_stored(
    remote: RemoteFolder, store: SwiftStore, container: str
) -> None:
    remote.write({"large": random_bytes(20 * MIB, 0)})
    sources = remote.find("large")
    remote.write({"large": random_bytes(20 * MIB, 1)})
    with pytest.raises(Corrupted, match="large was written while it was being sent"):
        upload(store, sources, container, UploadOptions(segment_size=8 * MIB))
    remote.write({"large": b"short"})
    with pytest.raises((Corrupted, StoreError), match="large"):
        upload(store, sources, container, UploadOptions(segment_size=8 * MIB))
    assert not contents(store, container)


def test_error_has_the_uri_of_a_missing_file(remote: RemoteFolder) -> None:
    remote.write({"a": b"1"})
    for name in ("no", "no*"):
        with pytest.raises(StoreError, match=f"{remote.uri.rpartition('/')[2]}/no"):
            remote.find(name)
    (deleted,) = remote.find("a")
    remote.fs.rm(f"{remote.folder}/a")
    with pytest.raises(StoreError, match="data/a"):
        list(deleted.file.part(0, 1).chunks())


def test_folder_markers_are_not_sent(store: SwiftStore, container: str) -> None:
    store.put(container, "data/", b"")
    store.put(container, "data/sub/", b"")
    store.put(container, "data/sub/a", b"1")
    (found,) = remote_sources(SwiftFileSystem(store), f"{container}/data", f"swift://{container}/data/")
    assert found.name == "sub/a"


def test_unreachable_store_is_a_transient_error(swift: SwiftStoreConnection) -> None:
    unreachable = swift.model_copy(update={"auth_url": "http://127.0.0.1:1/auth/v1.0"})
    with (
        SwiftStore.open(unreachable, retry_policy=NO_RETRY) as store,
        pytest.raises(StoreUnreachable, match=r"swift://conn@container/a"),
    ):
        remote_sources(SwiftFileSystem(store), "container/a", "swift://conn@container/a")


class FileSystemWithoutSizes(MemoryFileSystem):
    """Reports no file sizes, as a web server that generates its responses."""

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {**super().info(path, **options), "size": None}


def test_file_of_unknown_size_is_refused_with_a_hint() -> None:
    fs = FileSystemWithoutSizes()
    fs.pipe_file("/unknown/a", b"1")
    with pytest.raises(StoreError, match=r"the size of memory:///unknown/a, .*download it to a file"):
        remote_sources(fs, "/unknown/a", "memory:///unknown/a")
    fs.rm("/unknown", recursive=True)
