"""Airflow's own paths, on a real OpenStack Swift."""

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

from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.fs.path import SwiftPath
from airflow_dlaas.fs.swift import ConnectionFileSystem, _cached_store, get_fs
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import laid, lay

TREE = {"a.txt": b"1", "deep/b.txt": b"22", "deep/er/c.csv": b"333"}


@pytest.fixture
def conn_id(swift: StoreConnection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A connection of that name, which is the default one too."""
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
        made = _cached_store(used, os.getpid())
        assert isinstance(made, SwiftStore)
        made.close()
    _cached_store.cache_clear()


@pytest.fixture
def box(conn_id: str) -> ObjectStoragePath:
    path = ObjectStoragePath(f"swift://{conn_id}@box-{uuid.uuid4().hex}")
    path.mkdir()
    return path


def fill(folder: ObjectStoragePath) -> None:
    for name, content in TREE.items():
        (folder / name).write_bytes(content)


def held(folder: ObjectStoragePath) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {file.path.removeprefix(folder.path).lstrip("/"): file.read_bytes() for file in files}


def test_what_is_written_is_read(box: ObjectStoragePath) -> None:
    path = box / "folder" / "a.txt"
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


def test_a_task_that_fails_while_it_writes_leaves_what_was_there(box: ObjectStoragePath) -> None:
    path = box / "a"
    path.write_text("before")
    for mode in ("w", "wb"):
        with pytest.raises(ZeroDivisionError), path.open(mode) as file:  # noqa: PT012
            file.write("half" if mode == "w" else b"half")
            1 / 0  # noqa: B018
        assert path.read_text() == "before"


def test_a_path_knows_its_parts_and_what_lies_below(box: ObjectStoragePath, conn_id: str) -> None:
    fill(box)
    path = box / "deep" / "b.txt"
    assert path.conn_id == conn_id
    assert path.bucket == box.bucket
    assert path.key == "deep/b.txt"
    assert str(path) == f"swift://{conn_id}@{box.bucket}/deep/b.txt"
    assert isinstance(path.__wrapped__, SwiftPath)
    assert sorted(one.name for one in box.iterdir()) == ["a.txt", "deep"]
    assert sorted(str(one) for one in box.glob("deep/*")) == [f"{box}deep/b.txt", f"{box}deep/er"]
    assert [one.name for one in box.glob("**/*.csv")] == ["c.csv"]
    assert held(box) == TREE
    assert held(box / "deep") == {"b.txt": b"22", "er/c.csv": b"333"}


def test_a_file_says_of_itself_what_changes_with_it(box: ObjectStoragePath) -> None:
    path = box / "a"
    path.write_bytes(b"12345")
    status, key, checksum = path.stat(), path.ukey(), path.checksum()
    assert status.st_size == path.size() == 5
    assert status.st_mtime > 1_700_000_000
    path.write_bytes(b"12345")
    assert (path.ukey(), path.checksum()) == (key, checksum)
    path.write_bytes(b"54321")
    assert path.ukey() != key
    assert path.checksum() != checksum


def test_folders_are_copied_and_moved_within_the_store_and_to_and_from_this_machine(
    box: ObjectStoragePath, tmp_path: Path
) -> None:
    here = lay(tmp_path / "here", TREE)
    ObjectStoragePath(f"file://{here}").copy(box / "up", recursive=True)
    assert held(box / "up") == TREE
    (box / "up").copy(box / "again", recursive=True)
    assert held(box / "again") == TREE
    (box / "again").move(box / "moved", recursive=True)
    assert held(box / "moved") == TREE
    assert not (box / "again").exists()
    (box / "moved").copy(ObjectStoragePath(f"file://{tmp_path}/down"), recursive=True)
    assert laid(tmp_path / "down") == TREE
    (box / "up" / "a.txt").move(ObjectStoragePath(f"file://{tmp_path}/single"))
    assert (tmp_path / "single").read_bytes() == b"1"
    assert not (box / "up" / "a.txt").exists()
    (box / "up").rmdir()
    assert not (box / "up").exists()


def test_files_go_to_another_store_and_come_from_it(box: ObjectStoragePath) -> None:
    fill(box)
    other = ObjectStoragePath(f"swift://{box.bucket}/other")
    (box / "a.txt").copy(other)
    assert other.read_bytes() == b"1"
    (box / "a.txt").replace(box / "b.txt")
    assert (box / "b.txt").read_bytes() == b"1"


def test_a_path_without_a_connection_means_the_default_one(box: ObjectStoragePath) -> None:
    fill(box)
    bare = ObjectStoragePath(f"swift://{box.bucket}/a.txt")
    assert bare.read_bytes() == b"1"
    assert bare.exists()
    assert get_fs(None) == ConnectionFileSystem("swift_default")


def test_whatever_opens_addresses_with_fsspec_opens_ours(box: ObjectStoragePath) -> None:
    with fsspec.open(f"{box}t.csv.gz", "wt", compression="infer") as file:
        file.write("a,b\n")
    with fsspec.open(f"{box}t.csv.gz", "rt", compression="infer") as file:
        assert file.read() == "a,b\n"


def test_making_a_path_asks_nobody() -> None:
    """A DAG file makes them at every parse, where the connection may not even be known."""
    path = ObjectStoragePath("swift://nobody_has_made_this_connection@box/a") / "b"
    assert path.name == "b"
    with pytest.raises(Exception, match="nobody_has_made_this_connection"):
        path.exists()


def test_nothing_that_is_kept_or_sent_of_it_holds_a_secret(
    box: ObjectStoragePath, conn_id: str, swift: StoreConnection
) -> None:
    fs = box.fs
    fill(box)
    sent = pickle.dumps(fs)
    told = [repr(fs), str(fs), fs.to_json(), str(fs.storage_options), fs._fs_token, repr(sent), str(box.serialize())]
    assert swift.password.get_secret_value() not in "".join(told)
    received = pickle.loads(sent)  # noqa: S301
    assert received == fs
    assert received.cat_file(f"{box.bucket}/a.txt") == b"1"
    assert ConnectionFileSystem.from_json(fs.to_json()) == fs
    with fs.open(f"{box.bucket}/deep/er/c.csv") as file:
        file.read(1)
        assert pickle.loads(pickle.dumps(file)).read() == b"33"  # noqa: S301


def test_forked_processes_do_not_share_connections(conn_id: str) -> None:
    ours, childs = _cached_store(conn_id, 1), _cached_store(conn_id, 2)
    assert isinstance(ours, SwiftStore)
    assert ours is _cached_store(conn_id, 1)
    assert ours is not childs
