"""The fsspec file system on a real OpenStack Swift."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from swiftclient import client as swiftclient

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound, StoreError, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import contents, orphans, random_bytes, segments

SEGMENT_SIZE = 64 * 1024
"""Bytes of a segment in these tests."""


def write(fs: SwiftFileSystem, path: str, content: bytes) -> None:
    with fs.open(path, "wb", segment_size=SEGMENT_SIZE) as file:
        file.write(content)


# ---- listing


def test_ls_lists_one_level_with_the_properties_of_files(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe({f"{container}/a/b": b"1", f"{container}/a/c/d": b"22", f"{container}/top": b""})
    assert sorted(fs.ls(container, detail=False)) == [f"{container}/a", f"{container}/top"]
    assert {one["name"]: one["type"] for one in fs.ls(f"{container}/a")} == {
        f"{container}/a/b": "file",
        f"{container}/a/c": "directory",
    }
    (file,) = fs.ls(f"{container}/a/c")
    assert file["size"] == 2
    assert file["md5"] == hashlib.md5(b"22", usedforsecurity=False).hexdigest()
    assert file == fs.info(f"{container}/a/c/d") == fs.ls(f"{container}/a/c/d")[0]
    assert fs.info(f"{container}/a")["type"] == fs.info(container)["type"] == fs.info("")["type"] == "directory"
    assert container in fs.ls("", detail=False)


def test_list_dir_reads_all_pages(swift: SwiftStoreConnection, container: str) -> None:
    class SmallPages(SwiftStore):
        def _list_objects_page(self, container: str, prefix: str, marker: str, **more: Any) -> Any:
            return super()._list_objects_page(container, prefix, marker, **{**more, "limit": more.get("limit") or 3})

    with SmallPages.open(swift) as store:
        names = [f"a/{number}" for number in range(7)] + [f"b{number}/x" for number in range(7)]
        for name in names:
            store.put(container, name, b"")
        assert list(store.list_dir(container)) == ["a/", *(f"b{number}/" for number in range(7))]
        assert [one.name for one in store.list_dir(container, "a/") if not isinstance(one, str)] == names[:7]
        assert len(list(store.list_dir(container, limit=2))) == 2


def test_find_by_one_listing_finds_what_a_walk_finds(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(dict.fromkeys([f"{container}/a/b/c", f"{container}/a/b.txt", f"{container}/a-b", f"{container}/d"], b"x"))
    for path in (container, f"{container}/a", f"{container}/a/b/c"):
        for withdirs in (False, True):
            by_walking = fs.find(path, maxdepth=9, withdirs=withdirs, detail=True)
            assert fs.find(path, withdirs=withdirs, detail=True) == by_walking
    assert fs.find(f"{container}/no") == fs.find("no-such-container") == []
    fs.mkdir(f"{container}-empty")
    assert (
        fs.find(f"{container}-empty", withdirs=True)
        == fs.find(f"{container}-empty", withdirs=True, maxdepth=2)
        == [f"{container}-empty"]
    )
    assert fs.glob(f"{container}/**/*.txt") == [f"{container}/a/b.txt"]
    assert fs.glob(f"{container}/a*") == [f"{container}/a", f"{container}/a-b"]
    assert fs.du(container) == 4
    assert [(path, dirs, sorted(files)) for path, dirs, files in fs.walk(f"{container}/a")] == [
        (f"{container}/a", ["b"], ["b.txt"]),
        (f"{container}/a/b", [], ["c"]),
    ]


def test_folder_markers_are_folders(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    store.put(container, "empty", b"", content_type="application/directory")
    store.put(container, "full", b"", content_type="application/directory")
    store.put(container, "full/file", b"x")
    store.put(container, "slash/", b"")
    assert {one["name"]: one["type"] for one in fs.ls(container)} == dict.fromkeys(
        [f"{container}/empty", f"{container}/full", f"{container}/slash"], "directory"
    )
    assert all(fs.isdir(f"{container}/{name}") for name in ("empty", "full", "slash"))
    assert fs.find(container) == [f"{container}/full/file"]
    assert f"{container}/empty" in fs.find(container, withdirs=True)
    assert fs.ls(f"{container}/slash") == []


def test_unreachable_store_is_an_error_and_not_a_missing_file(
    swift: SwiftStoreConnection, fs: SwiftFileSystem, container: str
) -> None:
    assert not fs.exists(f"{container}/a")
    assert not fs.isdir("no-such-container")
    unreachable = swift.model_copy(update={"auth_url": "http://127.0.0.1:1/auth/v1.0"})
    with SwiftStore.open(unreachable, retry_policy=NO_RETRY) as store:
        failing = SwiftFileSystem(store)
        for function in (failing.exists, failing.isdir, failing.isfile, failing.ls, failing.find, failing.glob):
            with pytest.raises(ConnectionError) as error:
                function(f"{container}/*" if function == failing.glob else f"{container}/a")
            assert isinstance(error.value.__cause__, StoreUnreachable)
        with pytest.raises(ConnectionError):
            list(failing.walk(container))


def test_errors_are_os_errors_with_ours_as_their_cause(
    swift: SwiftStoreConnection, fs: SwiftFileSystem, container: str, tmp_path: Path
) -> None:
    for function in (fs.info, fs.ls, fs.cat_file, fs.rm, fs.rm_file, fs.modified, fs.rmdir):
        with pytest.raises(FileNotFoundError, match=f"{container}/a") as missing:
            function(f"{container}/a")
    with pytest.raises(FileNotFoundError) as missing:
        fs.open("no-such-container/a")
    assert isinstance(missing.value.__cause__, (ContainerNotFound, ObjectNotFound))
    assert "no container 'no-such-container'" in str(missing.value)
    with pytest.raises(FileNotFoundError, match="no-such-container"):
        fs.pipe("no-such-container/a", b"x")
    with pytest.raises(IsADirectoryError):
        fs.open(container)
    with pytest.raises(IsADirectoryError):
        fs.open(container, "wb")
    fs.pipe(f"{container}/folder/a", b"x")
    with pytest.raises(IsADirectoryError):
        fs.cat_file(f"{container}/folder")
    with pytest.raises(NotADirectoryError):
        fs.rmdir(f"{container}/folder/a")
    with pytest.raises(NotImplementedError, match="secret of the account"):
        fs.sign(f"{container}/folder/a")
    with pytest.raises(OSError, match="cannot be written"):
        fs.get_file(f"{container}/folder/a", tmp_path)
    wrong = swift.model_copy(update={"password": SecretStr("hunter2-hunter2")})
    with SwiftStore.open(wrong) as store, pytest.raises(PermissionError) as refused:
        SwiftFileSystem(store).exists(container)
    assert isinstance(refused.value.__cause__, StoreRefused)
    assert "hunter2" not in str(refused.value) + repr(refused.value.__cause__)


# ---- reading


@pytest.mark.parametrize("size", [0, 1, 3 * SEGMENT_SIZE + 7])
def test_written_content_is_read_as_a_whole_and_in_ranges(fs: SwiftFileSystem, container: str, size: int) -> None:
    content = random_bytes(size, size)
    write(fs, f"{container}/a", content)
    assert fs.cat_file(f"{container}/a") == content
    for start, end in [
        (0, 5),
        (2, None),
        (-9, None),
        (None, -1),
        (SEGMENT_SIZE - 3, SEGMENT_SIZE + 3),
        (size, size + 5),
        (5, 2),
        (-9, 2),
    ]:
        assert fs.cat_file(f"{container}/a", start, end) == content[start:end]
    with fs.open(f"{container}/a", block_size=1000) as file:
        assert file.read(10) == content[:10]
        file.seek(size // 2)
        assert file.read() == content[size // 2 :]


def test_file_replaced_during_reading_is_an_error(fs: SwiftFileSystem, container: str) -> None:
    for before in (random_bytes(5000, 1), random_bytes(2 * SEGMENT_SIZE, 1)):
        write(fs, f"{container}/a", before)
        with fs.open(f"{container}/a", cache_type="none") as file:
            assert file.read(1000) == before[:1000]
            write(fs, f"{container}/a", random_bytes(len(before), 2))
            with pytest.raises(OSError, match="was replaced"):
                file.read(1000)


def test_open_file_cannot_be_pickled(fs: SwiftFileSystem, container: str) -> None:
    """This file system has an open store, which cannot be pickled."""
    fs.pipe(f"{container}/a", b"x")
    with fs.open(f"{container}/a") as file, pytest.raises(TypeError):
        pickle.dumps(file)


def test_ukey_and_checksum_identify_the_content(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe({f"{container}/a": b"1", f"{container}/b": b"1"})
    write(fs, f"{container}/large", random_bytes(2 * SEGMENT_SIZE, 0))
    key, large = fs.ukey(f"{container}/a"), fs.ukey(f"{container}/large")
    assert fs.ukey(f"{container}/b") == key
    assert fs.checksum(f"{container}/b") == int(key, 16)
    fs.pipe(f"{container}/a", b"2")
    write(fs, f"{container}/large", random_bytes(2 * SEGMENT_SIZE, 1))
    assert fs.ukey(f"{container}/a") != key
    assert fs.ukey(f"{container}/large") != large
    assert fs.modified(f"{container}/a") == fs.created(f"{container}/a") > fs.modified(f"{container}/b")


def test_file_system_is_thread_safe(fs: SwiftFileSystem, container: str) -> None:
    def round_trip(number: int) -> bool:
        content = random_bytes(number * SEGMENT_SIZE // 8, number)
        write(fs, f"{container}/{number}", content)
        return fs.cat_file(f"{container}/{number}") == content and fs.exists(f"{container}/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(24)))


# ---- copy, move, delete, folders


def test_copy_of_a_large_object_has_its_own_segments(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    write(fs, f"{container}/a", random_bytes(5 * SEGMENT_SIZE + 1, 0))
    fs.mkdir(f"{container}-other")
    fs.copy(f"{container}/a", f"{container}-other/b")
    fs.copy(f"{container}/a", f"{container}/c")
    fs.rm(f"{container}/a")
    assert fs.cat_file(f"{container}-other/b") == fs.cat_file(f"{container}/c") == random_bytes(5 * SEGMENT_SIZE + 1, 0)
    assert not orphans(store, container)
    fs.mv(f"{container}/c", f"{container}/d")
    assert contents(store, container) == {"d": random_bytes(5 * SEGMENT_SIZE + 1, 0)}
    fs.rm([f"{container}/d", f"{container}-other/b"])
    assert not segments(store, container)
    assert not segments(store, f"{container}-other")


def test_large_objects_of_other_tools_are_read_and_copied(
    store: SwiftStore, fs: SwiftFileSystem, container: str
) -> None:
    """A dynamic large object, and a static one of ranges of segments."""
    store.put(container, "parts/1", b"first ")
    store.put(container, "parts/2", b"second")
    store.session.call_once(
        swiftclient.put_object, container, "dynamic", headers={"X-Object-Manifest": f"{container}/parts/"}
    )
    ranges = [{"path": f"/{container}/parts/{part}", "range": "2-4"} for part in (1, 2)]
    manifest = {"contents": json.dumps(ranges), "query_string": "multipart-manifest=put"}
    store.session.call_once(swiftclient.put_object, container, "ranges", **manifest)
    for name, content in [("dynamic", b"first second"), ("ranges", b"rstcon")]:
        fs.cp_file(f"{container}/{name}", f"{container}/copy of {name}")
        fs.rm(f"{container}/{name}")
        assert fs.cat_file(f"{container}/copy of {name}") == content
        with fs.open(f"{container}/copy of {name}") as file:
            assert file.read() == content
    assert fs.cat_file(f"{container}/parts/1") == b"first "
    assert not orphans(store, container)


def test_copy_to_a_missing_container_names_it(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(f"{container}/a", b"1")
    write(fs, f"{container}/large", random_bytes(3 * SEGMENT_SIZE, 0))
    for name in ("a", "large"):
        with pytest.raises(FileNotFoundError, match="no container 'no-such-container'"):
            fs.copy(f"{container}/{name}", "no-such-container/a")
    with pytest.raises(FileNotFoundError):
        fs.copy(f"{container}/no", f"{container}/b")


def test_move_to_the_same_path_loses_nothing(fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(f"{container}/folder/a", b"1")
    fs.mv(f"{container}/folder/a", f"swift://{container}/folder/a")
    fs.mv(f"{container}/folder/a", f"{container}/folder")
    with pytest.raises(OSError, match="into itself"):
        fs.mv(f"{container}/folder", f"{container}/folder/deeper", recursive=True)
    assert fs.find(container) == [f"{container}/folder/a"]


def test_rm_deletes_only_the_given_paths(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(
        dict.fromkeys(
            [
                f"{container}/a",
                f"{container}/a/b",
                f"{container}/a/c/d",
                f"{container}/ab",
                f"{container}/x.csv",
                f"{container}/y.csv",
            ],
            b"",
        )
    )
    with pytest.raises(IsADirectoryError):
        fs.rm([f"{container}/x.csv", f"{container}/a/c"])
    with pytest.raises(FileNotFoundError):
        fs.rm([f"{container}/x.csv", f"{container}/no"], recursive=True)
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{container}/no*")
    assert len(contents(store, container)) == 6
    fs.rm(f"{container}/*.csv")
    fs.rm_file(f"{container}/a")
    assert set(contents(store, container)) == {"a/b", "a/c/d", "ab"}
    fs.rm(f"{container}/a", recursive=True, maxdepth=1)
    assert set(contents(store, container)) == {"a/c/d", "ab"}
    fs.rm(f"{container}/a", recursive=True)
    assert set(contents(store, container)) == {"ab"}
    fs.rm(container, recursive=True)
    assert not fs.exists(container)


def test_folders_in_a_container_need_not_be_created(fs: SwiftFileSystem, container: str) -> None:
    fs.mkdir(f"{container}/new")
    assert not fs.exists(f"{container}/new")
    fs.makedirs(f"{container}-new/a/b")
    assert fs.isdir(f"{container}-new")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{container}-none/a", create_parents=False)
    fs.pipe(f"{container}/folder/a", b"")
    for existing in (container, f"{container}/folder", f"{container}/folder/a"):
        with pytest.raises(FileExistsError):
            fs.mkdir(existing)
        with pytest.raises(FileExistsError):
            fs.makedirs(existing)
    fs.makedirs(f"{container}/folder", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs(f"{container}/folder/a", exist_ok=True)


def test_rmdir_deletes_only_an_empty_container(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(f"{container}/folder/a", b"")
    for full in (container, f"{container}/folder"):
        with pytest.raises(OSError, match="not empty"):
            fs.rmdir(full)
    with pytest.raises(StoreError):
        store.delete_container(container)
    store.put(container, "marker", b"", content_type="application/directory")
    fs.rmdir(f"{container}/marker")
    fs.rm(f"{container}/folder/a")
    fs.rmdir(container)
    assert not fs.exists(container)


@pytest.mark.parametrize("name", ["a b", "ü/ö", "100%", "a?b=c&d#e", "user@host", "%2e", "日本"])
def test_special_characters_in_names_are_kept(fs: SwiftFileSystem, container: str, name: str) -> None:
    fs.pipe(f"{container}/{name}", b"1")
    fs.cp_file(f"{container}/{name}", f"{container}/copy of {name}")
    fs.rm_file(f"{container}/{name}")
    assert fs.find(container) == [f"{container}/copy of {name}"]
    assert (
        fs.cat_file(f"swift://conn@{container}/copy of {name}") == fs.cat_file(f"/{container}/copy of {name}") == b"1"
    )


def test_closed_store_opens_new_connections(store: SwiftStore, fs: SwiftFileSystem, container: str) -> None:
    fs.pipe(f"{container}/a", b"1")
    store.close()
    assert fs.cat_file(f"{container}/a") == b"1"
    assert threading.active_count() < 20
