"""The fsspec file system over every store."""

from __future__ import annotations

import gzip

import pytest

from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.open_object_store import OpenedStore
from tests.conformance.storage.test_objects import ODD_NAMES
from tests.object_stores.cases import MIB
from tests.stored import contents, random_bytes


@pytest.fixture
def fs(store: OpenedStore) -> SwiftFileSystem:
    return SwiftFileSystem(store)


def test_files_are_written_read_copied_and_deleted(fs: SwiftFileSystem, store: OpenedStore, container: str) -> None:
    with fs.open(f"{container}/a/b.txt", "w") as file:
        file.write("one\ntwo\n")
    assert fs.cat(f"{container}/a/b.txt") == b"one\ntwo\n"
    with fs.open(f"{container}/a/b.txt") as file:
        file.seek(4)
        assert file.read(3) == b"two"
    fs.cp(f"{container}/a/b.txt", f"{container}/c.txt")
    fs.mv(f"{container}/c.txt", f"{container}/d.txt")
    assert set(contents(store, container)) == {"a/b.txt", "d.txt"}
    fs.rm(f"{container}/a", recursive=True)
    assert set(contents(store, container)) == {"d.txt"}


def test_folders_are_listed_and_searched(fs: SwiftFileSystem, container: str) -> None:
    for name in ("top", "f/one.csv", "f/two.csv", "f/deep/er.csv"):
        fs.pipe(f"{container}/{name}", b"x")
    assert sorted(fs.ls(container, detail=False)) == [f"{container}/f", f"{container}/top"]
    assert sorted(fs.glob(f"{container}/**/*.csv")) == [
        f"{container}/{name}" for name in ("f/deep/er.csv", "f/one.csv", "f/two.csv")
    ]
    assert fs.isdir(f"{container}/f")
    assert fs.isfile(f"{container}/top")
    assert fs.info(f"{container}/top")["size"] == 1
    assert not fs.exists(f"{container}/no-such")
    assert container in fs.ls("", detail=False)


def test_missing_file_is_a_file_not_found_error(fs: SwiftFileSystem, container: str) -> None:
    with pytest.raises(FileNotFoundError):
        fs.cat(f"{container}/no-such")
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{container}/no-such")


def test_file_that_is_not_closed_without_error_changes_nothing(
    fs: SwiftFileSystem, store: OpenedStore, container: str
) -> None:
    fs.pipe(f"{container}/a", b"before")

    def write() -> None:
        with fs.open(f"{container}/a", "wb") as file:
            file.write(b"after")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        write()
    assert contents(store, container) == {"a": b"before"}


def test_large_file_is_read_in_ranges(fs: SwiftFileSystem, container: str) -> None:
    content = random_bytes(11 * MIB, "large")
    with fs.open(f"{container}/large", "wb", block_size=5 * MIB) as file:
        file.write(content)
    with fs.open(f"{container}/large") as file:
        file.seek(6 * MIB)
        assert file.read(1000) == content[6 * MIB : 6 * MIB + 1000]
        file.seek(-10, 2)
        assert file.read() == content[-10:]
    assert fs.size(f"{container}/large") == len(content)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_special_characters_in_names_are_kept(fs: SwiftFileSystem, container: str, name: str) -> None:
    fs.pipe(f"{container}/f/{name}", b"x")
    assert fs.find(f"{container}/f") == [f"{container}/f/{name}"]
    assert fs.cat(f"{container}/f/{name}") == b"x"


def test_compressed_file_is_written_and_read(fs: SwiftFileSystem, store: OpenedStore, container: str) -> None:
    with fs.open(f"{container}/a.gz", "wt", compression="gzip") as file:
        file.write("text")
    assert gzip.decompress(contents(store, container)["a.gz"]) == b"text"
