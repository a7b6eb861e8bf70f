"""Tests of Airflow's `ObjectStoragePath` on a real OpenStack Swift."""

from __future__ import annotations

import json
import os
import pickle
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from airflow.sdk import ObjectStoragePath

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.fs.path import SwiftPath
from airflow_dlaas.fs.store_file_system import cached_store
from airflow_dlaas.fs.swift import ConnectionFileSystem, get_fs
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import read_tree, write_tree

TREE = {"a.txt": b"1", "deep/b.txt": b"22", "deep/er/c.csv": b"333"}


@pytest.fixture
def conn_id(swift: SwiftStoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The id of a connection; the default connection has the same fields."""
    fields = {
        "conn_type": "swift",
        "host": swift.auth_url,
        "login": swift.user,
        "password": swift.password.get_secret_value(),
    }
    name = f"store_{uuid.uuid4().hex}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_CONN_SWIFT_DEFAULT", json.dumps(fields))
    yield name
    for used in (name, "swift_default"):
        store = cached_store(used, "swift", os.getpid())
        assert isinstance(store, SwiftStore)
        store.close()
    cached_store.cache_clear()


@pytest.fixture
def container(conn_id: str) -> ObjectStoragePath:
    path = ObjectStoragePath(f"swift://{conn_id}@box-{uuid.uuid4().hex}")
    path.mkdir()
    return path


def fill(folder: ObjectStoragePath) -> None:
    for name, content in TREE.items():
        (folder / name).write_bytes(content)


def contents(folder: ObjectStoragePath) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {file.path.removeprefix(folder.path).lstrip("/"): file.read_bytes() for file in files}


def test_path_reads_what_was_written(container: ObjectStoragePath) -> None:
    path = container / "folder" / "a.txt"
    assert not path.exists()
    path.write_text("ü\n")
    assert path.read_text() == "ü\n"
    with path.open("rb") as file:
        assert file.read() == "ü\n".encode()
    with path.open("w") as file:
        file.write("new")
    assert path.read_bytes() == b"new"
    assert path.exists()
    assert path.is_file()
    assert path.parent.is_dir()
    path.unlink()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        path.unlink()
    path.unlink(missing_ok=True)


def test_failed_write_keeps_the_earlier_content(container: ObjectStoragePath) -> None:
    path = container / "a"
    path.write_text("before")
    for mode in ("w", "wb"):
        with pytest.raises(ZeroDivisionError), path.open(mode) as file:  # noqa: PT012
            file.write("half" if mode == "w" else b"half")
            1 / 0  # noqa: B018
        assert path.read_text() == "before"


def test_path_has_its_parts_and_lists_its_children(container: ObjectStoragePath, conn_id: str) -> None:
    fill(container)
    path = container / "deep" / "b.txt"
    assert path.conn_id == conn_id
    assert path.bucket == container.bucket
    assert path.key == "deep/b.txt"
    assert str(path) == f"swift://{conn_id}@{container.bucket}/deep/b.txt"
    assert isinstance(path.__wrapped__, SwiftPath)
    assert sorted(one.name for one in container.iterdir()) == ["a.txt", "deep"]
    assert sorted(str(one) for one in container.glob("deep/*")) == [f"{container}deep/b.txt", f"{container}deep/er"]
    assert [one.name for one in container.glob("**/*.csv")] == ["c.csv"]
    assert contents(container) == TREE
    assert contents(container / "deep") == {"b.txt": b"22", "er/c.csv": b"333"}


def test_path_stat_and_checksum_follow_the_content(container: ObjectStoragePath) -> None:
    path = container / "a"
    path.write_bytes(b"12345")
    status, key, checksum = path.stat(), path.ukey(), path.checksum()
    assert status.st_size == path.size() == 5
    assert status.st_mtime > 1_700_000_000
    path.write_bytes(b"12345")
    assert (path.ukey(), path.checksum()) == (key, checksum)
    path.write_bytes(b"54321")
    assert path.ukey() != key
    assert path.checksum() != checksum


def test_folder_is_copied_and_moved_within_the_store_and_to_local_paths(
    container: ObjectStoragePath, tmp_path: Path
) -> None:
    local = write_tree(tmp_path / "here", TREE)
    ObjectStoragePath(f"file://{local}").copy(container / "up", recursive=True)
    assert contents(container / "up") == TREE
    (container / "up").copy(container / "again", recursive=True)
    assert contents(container / "again") == TREE
    (container / "again").move(container / "moved", recursive=True)
    assert contents(container / "moved") == TREE
    assert not (container / "again").exists()
    (container / "moved").copy(ObjectStoragePath(f"file://{tmp_path}/down"), recursive=True)
    assert read_tree(tmp_path / "down") == TREE
    (container / "up" / "a.txt").move(ObjectStoragePath(f"file://{tmp_path}/single"))
    assert (tmp_path / "single").read_bytes() == b"1"
    assert not (container / "up" / "a.txt").exists()
    (container / "up").rmdir()
    assert not (container / "up").exists()


def test_file_is_copied_between_stores(container: ObjectStoragePath) -> None:
    fill(container)
    other = ObjectStoragePath(f"swift://{container.bucket}/other")
    (container / "a.txt").copy(other)
    assert other.read_bytes() == b"1"
    (container / "a.txt").replace(container / "b.txt")
    assert (container / "b.txt").read_bytes() == b"1"


def test_path_without_a_connection_uses_the_default_one(container: ObjectStoragePath) -> None:
    fill(container)
    path = ObjectStoragePath(f"swift://{container.bucket}/a.txt")
    assert path.read_bytes() == b"1"
    assert path.exists()
    assert get_fs(None) == ConnectionFileSystem("swift_default")


def test_fsspec_opens_addresses_of_the_store(container: ObjectStoragePath) -> None:
    with fsspec.open(f"{container}t.csv.gz", "wt", compression="infer") as file:
        file.write("a,b\n")
    with fsspec.open(f"{container}t.csv.gz", "rt", compression="infer") as file:
        assert file.read() == "a,b\n"


def test_path_can_be_made_without_a_connection() -> None:
    """A DAG file makes paths at every parse, where the connection may not exist."""
    path = ObjectStoragePath("swift://no_such_connection@box/a") / "b"
    assert path.name == "b"
    with pytest.raises(Exception, match="no_such_connection"):
        path.exists()


def test_serialized_file_system_contains_no_secret(
    container: ObjectStoragePath, conn_id: str, swift: SwiftStoreConnection
) -> None:
    fs = container.fs
    fill(container)
    pickled = pickle.dumps(fs)
    texts = [
        repr(fs),
        str(fs),
        fs.to_json(),
        str(fs.storage_options),
        fs._fs_token,
        repr(pickled),
        str(container.serialize()),
    ]
    assert swift.password.get_secret_value() not in "".join(texts)
    unpickled = pickle.loads(pickled)  # noqa: S301
    assert unpickled == fs
    assert unpickled.cat_file(f"{container.bucket}/a.txt") == b"1"
    assert ConnectionFileSystem.from_json(fs.to_json()) == fs
    with fs.open(f"{container.bucket}/deep/er/c.csv") as file:
        file.read(1)
        assert pickle.loads(pickle.dumps(file)).read() == b"33"  # noqa: S301


def test_forked_processes_do_not_share_connections(conn_id: str) -> None:
    parent_store, child_store = cached_store(conn_id, "swift", 1), cached_store(conn_id, "swift", 2)
    assert isinstance(parent_store, SwiftStore)
    assert parent_store is cached_store(conn_id, "swift", 1)
    assert parent_store is not child_store
