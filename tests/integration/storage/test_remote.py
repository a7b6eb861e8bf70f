"""What is stored elsewhere goes to a real OpenStack Swift without touching a disk of ours."""

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
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreUnreachable
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.sources.local import local_sources
from airflow_dlaas.storage.sources.remote import remote_sources
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import TransferReport, UploadOptions, upload
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from tests.stored import contents, lay, noise, segments

TREE = {"a.csv": b"1", "deep/b.csv": b"22", "deep/er/c.txt": b"333", ".hidden": b"4"}


@pytest.fixture
def store(swift: StoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def box(store: SwiftStore) -> str:
    name = f"box-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


class Place:
    """A folder on some file system."""

    def __init__(self, fs: Any, folder: str, address: str) -> None:
        self.fs, self.folder, self.address = fs, folder, address

    def lay(self, tree: dict[str, bytes]) -> None:
        for name, content in tree.items():
            self.fs.makedirs(self.fs._parent(f"{self.folder}/{name}"), exist_ok=True)
            self.fs.pipe_file(f"{self.folder}/{name}", content)

    def find(self, name: str = "", **which: Any) -> list[Any]:
        end = f"/{name}" if name else ""
        return remote_sources(self.fs, self.folder + end, self.address + end, **which)


@pytest.fixture(params=["memory", "local", "swift"])
def place(request: pytest.FixtureRequest, store: SwiftStore, tmp_path: Path) -> Iterator[Place]:
    name = uuid.uuid4().hex
    if request.param == "memory":
        fs = MemoryFileSystem()
        yield Place(fs, f"/{name}/data", f"memory:///{name}/data")
        fs.rm(f"/{name}", recursive=True)
    elif request.param == "local":
        yield Place(LocalFileSystem(), f"{tmp_path}/data", f"file://{tmp_path}/data")
    else:
        store.create_container(name)
        yield Place(SwiftFileSystem(store), f"{name}/data", f"swift://conn@{name}/data")


def test_files_are_named_as_those_of_this_machine(place: Place, tmp_path: Path) -> None:
    place.lay(TREE)
    here = lay(tmp_path / "here", TREE)
    for pattern in ("", "a.csv", "deep", "*.csv", "**/*.csv", "d*/b.csv", "de*"):
        expected = [one.name for one in local_sources(here / pattern if pattern else here)]
        found = place.find(pattern)
        assert [one.name for one in found] == expected, pattern
        assert all(one.file.location.startswith(f"{place.address}/") for one in found)
        assert all(one.file.location.endswith(one.name) for one in found)


def test_include_and_exclude_mean_what_they_mean_here(place: Place, tmp_path: Path) -> None:
    place.lay(TREE)
    here = lay(tmp_path / "here", TREE)
    for include, exclude in [(["*.csv"], []), (None, ["deep"]), (["deep"], ["*.txt"])]:
        expected = [one.name for one in local_sources(here, include, exclude)]
        assert [one.name for one in place.find(include=include, exclude=exclude)] == expected


def test_everything_arrives_and_what_did_not_change_is_not_sent(place: Place, store: SwiftStore, box: str) -> None:
    place.lay(TREE)
    assert upload(store, place.find(), box, UploadOptions(prefix="p")) == TransferReport(4, 7, 0)
    assert contents(store, box) == {f"p/{name}": content for name, content in TREE.items()}
    assert upload(store, place.find(), box, UploadOptions(prefix="p")) == TransferReport(0, 0, 4)
    place.lay({"a.csv": b"9"})
    assert upload(store, place.find(), box, UploadOptions(prefix="p")) == TransferReport(1, 1, 3)
    assert upload(store, place.find("a.csv"), box, UploadOptions(prefix="p")) == TransferReport(0, 0, 1)


@pytest.mark.parametrize("segment_size", [8 * MIB, 64 * MIB])
def test_a_large_file_goes_as_segments_without_being_held(
    place: Place, store: SwiftStore, box: str, segment_size: int
) -> None:
    content = noise(40 * MIB + 1, 0)
    place.lay({"large": content})
    sources = place.find("large")
    store.limits()
    tracemalloc.start()
    try:
        report = upload(store, sources, box, UploadOptions(segment_size=segment_size, threads=2))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report == TransferReport(1, len(content), 0)
    assert sorted(segments(store, box).values(), reverse=True)[:1] == [min(segment_size, len(content))]
    assert contents(store, box) == {"large": content}
    assert peak < 48 * MIB  # two threads with 8 MiB each, and what passes through buffers on both sides


def test_what_is_known_of_a_file_is_believed_until_it_changes(
    place: Place, store: SwiftStore, box: str, tmp_path: Path
) -> None:
    place.lay({"large": noise(20 * MIB, 0)})

    def again() -> TransferReport:
        return upload(
            store,
            place.find(),
            box,
            UploadOptions(checksum_cache=ChecksumCache(tmp_path / "known"), segment_size=8 * MIB),
        )

    assert again().files == 1
    assert again() == TransferReport(0, 0, 1)
    place.lay({"large": noise(20 * MIB, 1)})
    assert again().files == 1
    assert contents(store, box) == {"large": noise(20 * MIB, 1)}


def test_a_file_that_changes_on_its_way_is_not_stored(place: Place, store: SwiftStore, box: str) -> None:
    place.lay({"large": noise(20 * MIB, 0)})
    sources = place.find("large")
    place.lay({"large": noise(20 * MIB, 1)})
    with pytest.raises(Corrupted, match="large was written while it was being sent"):
        upload(store, sources, box, UploadOptions(segment_size=8 * MIB))
    place.lay({"large": b"short"})
    with pytest.raises((Corrupted, StoreError), match="large"):
        upload(store, sources, box, UploadOptions(segment_size=8 * MIB))
    assert not contents(store, box)


def test_what_is_not_there_is_said_with_its_address(place: Place) -> None:
    place.lay({"a": b"1"})
    for name in ("no", "no*"):
        with pytest.raises(StoreError, match=f"{place.address.rpartition('/')[2]}/no"):
            place.find(name)
    (gone,) = place.find("a")
    place.fs.rm(f"{place.folder}/a")
    with pytest.raises(StoreError, match="data/a"):
        list(gone.file.part(0, 1).chunks())


def test_objects_that_mark_folders_are_not_sent(store: SwiftStore, box: str) -> None:
    store.put(box, "data/", b"")
    store.put(box, "data/sub/", b"")
    store.put(box, "data/sub/a", b"1")
    (found,) = remote_sources(SwiftFileSystem(store), f"{box}/data", f"swift://{box}/data/")
    assert found.name == "sub/a"


def test_a_store_that_does_not_answer_may_be_asked_again(swift: StoreConnection) -> None:
    away = swift.model_copy(update={"auth_url": "http://127.0.0.1:1/auth/v1.0"})
    with (
        SwiftStore.open(away, retry_policy=NO_RETRY) as store,
        pytest.raises(StoreUnreachable, match=r"swift://conn@box/a"),
    ):
        remote_sources(SwiftFileSystem(store), "box/a", "swift://conn@box/a")


class OfUnknownSize(MemoryFileSystem):
    """Says of no file how large it is, as a web server that makes it up on the way."""

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        return {**super().info(path, **options), "size": None}


def test_a_file_of_unknown_size_is_refused_with_the_way_out() -> None:
    fs = OfUnknownSize()
    fs.pipe_file("/unknown/a", b"1")
    with pytest.raises(StoreError, match=r"the size of memory:///unknown/a, .*download it to a file"):
        remote_sources(fs, "/unknown/a", "memory:///unknown/a")
    fs.rm("/unknown", recursive=True)
