"""A real OpenStack Swift, as files and folders."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import pickle
import threading
import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fsspec.callbacks import Callback
from pydantic import SecretStr
from swiftclient import client as swiftclient

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import ContainerNotFound, ObjectNotFound, StoreError, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.fsspec import SwiftFileSystem
from airflow_dlaas.storage.segments import MIB
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.stored import contents, noise, orphans, segments

CUT = 64 * 1024
"""Bytes of a segment in these tests."""


@pytest.fixture
def store(swift: StoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift, retry_policy=NO_RETRY) as opened:
        yield opened


@pytest.fixture
def box(store: SwiftStore) -> str:
    name = f"box-{uuid.uuid4().hex}"
    store.create_container(name)
    return name


@pytest.fixture
def fs(store: SwiftStore) -> SwiftFileSystem:
    return SwiftFileSystem(store)


def write(fs: SwiftFileSystem, path: str, content: bytes) -> None:
    with fs.open(path, "wb", segment_size=CUT) as file:
        file.write(content)


# ---- what is there


def test_a_listing_has_one_level_and_files_know_their_content(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe({f"{box}/a/b": b"1", f"{box}/a/c/d": b"22", f"{box}/top": b""})
    assert sorted(fs.ls(box, detail=False)) == [f"{box}/a", f"{box}/top"]
    assert {one["name"]: one["type"] for one in fs.ls(f"{box}/a")} == {f"{box}/a/b": "file", f"{box}/a/c": "directory"}
    (file,) = fs.ls(f"{box}/a/c")
    assert file["size"] == 2
    assert file["md5"] == hashlib.md5(b"22", usedforsecurity=False).hexdigest()
    assert file == fs.info(f"{box}/a/c/d") == fs.ls(f"{box}/a/c/d")[0]
    assert fs.info(f"{box}/a")["type"] == fs.info(box)["type"] == fs.info("")["type"] == "directory"
    assert box in fs.ls("", detail=False)


def test_a_listing_goes_on_over_pages(swift: StoreConnection, box: str) -> None:
    class SmallPages(SwiftStore):
        def _list_objects_page(self, container: str, prefix: str, marker: str, **more: Any) -> Any:
            return super()._list_objects_page(container, prefix, marker, **{**more, "limit": more.get("limit") or 3})

    with SmallPages.open(swift) as store:
        names = [f"a/{number}" for number in range(7)] + [f"b{number}/x" for number in range(7)]
        for name in names:
            store.put(box, name, b"")
        assert list(store.list_dir(box)) == ["a/", *(f"b{number}/" for number in range(7))]
        assert [one.name for one in store.list_dir(box, "a/") if not isinstance(one, str)] == names[:7]
        assert len(list(store.list_dir(box, limit=2))) == 2


def test_what_is_found_by_one_listing_is_what_a_walk_finds(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(dict.fromkeys([f"{box}/a/b/c", f"{box}/a/b.txt", f"{box}/a-b", f"{box}/d"], b"x"))
    for path in (box, f"{box}/a", f"{box}/a/b/c"):
        for withdirs in (False, True):
            by_walking = fs.find(path, maxdepth=9, withdirs=withdirs, detail=True)
            assert fs.find(path, withdirs=withdirs, detail=True) == by_walking
    assert fs.find(f"{box}/no") == fs.find("no-such-container") == []
    fs.mkdir(f"{box}-empty")
    assert (
        fs.find(f"{box}-empty", withdirs=True) == fs.find(f"{box}-empty", withdirs=True, maxdepth=2) == [f"{box}-empty"]
    )
    assert fs.glob(f"{box}/**/*.txt") == [f"{box}/a/b.txt"]
    assert fs.glob(f"{box}/a*") == [f"{box}/a", f"{box}/a-b"]
    assert fs.du(box) == 4
    assert [(path, dirs, sorted(files)) for path, dirs, files in fs.walk(f"{box}/a")] == [
        (f"{box}/a", ["b"], ["b.txt"]),
        (f"{box}/a/b", [], ["c"]),
    ]


def test_objects_that_mark_folders_are_folders(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    store.put(box, "empty", b"", content_type="application/directory")
    store.put(box, "full", b"", content_type="application/directory")
    store.put(box, "full/file", b"x")
    store.put(box, "slash/", b"")
    assert {one["name"]: one["type"] for one in fs.ls(box)} == dict.fromkeys(
        [f"{box}/empty", f"{box}/full", f"{box}/slash"], "directory"
    )
    assert all(fs.isdir(f"{box}/{name}") for name in ("empty", "full", "slash"))
    assert fs.find(box) == [f"{box}/full/file"]
    assert f"{box}/empty" in fs.find(box, withdirs=True)
    assert fs.ls(f"{box}/slash") == []


def test_nothing_is_said_to_be_missing_because_the_store_does_not_answer(
    swift: StoreConnection, fs: SwiftFileSystem, box: str
) -> None:
    assert not fs.exists(f"{box}/a")
    assert not fs.isdir("no-such-container")
    away = swift.model_copy(update={"auth_url": "http://127.0.0.1:1/auth/v1.0"})
    with SwiftStore.open(away, retry_policy=NO_RETRY) as store:
        gone = SwiftFileSystem(store)
        for question in (gone.exists, gone.isdir, gone.isfile, gone.ls, gone.find, gone.glob):
            with pytest.raises(ConnectionError) as error:
                question(f"{box}/*" if question == gone.glob else f"{box}/a")
            assert isinstance(error.value.__cause__, StoreUnreachable)
        with pytest.raises(ConnectionError):
            list(gone.walk(box))


def test_errors_are_those_of_files_with_ours_behind_them(
    swift: StoreConnection, fs: SwiftFileSystem, box: str, tmp_path: Path
) -> None:
    for question in (fs.info, fs.ls, fs.cat_file, fs.rm, fs.rm_file, fs.modified, fs.rmdir):
        with pytest.raises(FileNotFoundError, match=f"{box}/a") as missing:
            question(f"{box}/a")
    with pytest.raises(FileNotFoundError) as missing:
        fs.open("no-such-container/a")
    assert isinstance(missing.value.__cause__, (ContainerNotFound, ObjectNotFound))
    assert "no container 'no-such-container'" in str(missing.value)
    with pytest.raises(FileNotFoundError, match="no-such-container"):
        fs.pipe("no-such-container/a", b"x")
    with pytest.raises(IsADirectoryError):
        fs.open(box)
    with pytest.raises(IsADirectoryError):
        fs.open(box, "wb")
    fs.pipe(f"{box}/folder/a", b"x")
    with pytest.raises(IsADirectoryError):
        fs.cat_file(f"{box}/folder")
    with pytest.raises(NotADirectoryError):
        fs.rmdir(f"{box}/folder/a")
    with pytest.raises(NotImplementedError, match="secret of the account"):
        fs.sign(f"{box}/folder/a")
    with pytest.raises(OSError, match="cannot be written"):
        fs.get_file(f"{box}/folder/a", tmp_path)
    wrong = swift.model_copy(update={"password": SecretStr("hunter2-hunter2")})
    with SwiftStore.open(wrong) as store, pytest.raises(PermissionError) as refused:
        SwiftFileSystem(store).exists(box)
    assert isinstance(refused.value.__cause__, StoreRefused)
    assert "hunter2" not in str(refused.value) + repr(refused.value.__cause__)


# ---- reading


@pytest.mark.parametrize("size", [0, 1, 3 * CUT + 7])
def test_what_is_written_is_read_back_as_a_whole_and_in_parts(fs: SwiftFileSystem, box: str, size: int) -> None:
    content = noise(size, size)
    write(fs, f"{box}/a", content)
    assert fs.cat_file(f"{box}/a") == content
    for start, end in [
        (0, 5),
        (2, None),
        (-9, None),
        (None, -1),
        (CUT - 3, CUT + 3),
        (size, size + 5),
        (5, 2),
        (-9, 2),
    ]:
        assert fs.cat_file(f"{box}/a", start, end) == content[start:end]
    with fs.open(f"{box}/a", block_size=1000) as file:
        assert file.read(10) == content[:10]
        file.seek(size // 2)
        assert file.read() == content[size // 2 :]


def test_a_file_replaced_while_it_is_read_is_never_half_the_one_and_half_the_other(
    fs: SwiftFileSystem, box: str
) -> None:
    for before in (noise(5000, 1), noise(2 * CUT, 1)):
        write(fs, f"{box}/a", before)
        with fs.open(f"{box}/a", cache_type="none") as file:
            assert file.read(1000) == before[:1000]
            write(fs, f"{box}/a", noise(len(before), 2))
            with pytest.raises(OSError, match="was replaced"):
                file.read(1000)


def test_an_open_file_and_its_place_can_be_sent_to_another_process(fs: SwiftFileSystem, box: str) -> None:
    """As far as the file system can: this one holds a store, which stays where it is."""
    fs.pipe(f"{box}/a", b"x")
    with fs.open(f"{box}/a") as file, pytest.raises(TypeError):
        pickle.dumps(file)


def test_keys_name_the_content(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe({f"{box}/a": b"1", f"{box}/b": b"1"})
    write(fs, f"{box}/large", noise(2 * CUT, 0))
    key, large = fs.ukey(f"{box}/a"), fs.ukey(f"{box}/large")
    assert fs.ukey(f"{box}/b") == key
    assert fs.checksum(f"{box}/b") == int(key, 16)
    fs.pipe(f"{box}/a", b"2")
    write(fs, f"{box}/large", noise(2 * CUT, 1))
    assert fs.ukey(f"{box}/a") != key
    assert fs.ukey(f"{box}/large") != large
    assert fs.modified(f"{box}/a") == fs.created(f"{box}/a") > fs.modified(f"{box}/b")


def test_many_threads_share_one(fs: SwiftFileSystem, box: str) -> None:
    def round_trip(number: int) -> bool:
        content = noise(number * CUT // 8, number)
        write(fs, f"{box}/{number}", content)
        return fs.cat_file(f"{box}/{number}") == content and fs.exists(f"{box}/{number}")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(24)))


# ---- writing


def test_a_small_file_is_one_object_and_a_large_one_appears_in_one_step(
    store: SwiftStore, fs: SwiftFileSystem, box: str
) -> None:
    with fs.open(f"{box}/a", "wb", segment_size=CUT) as file:
        file.write(noise(CUT, 0))
        assert not segments(store, box)
        file.write(b"x")
        assert file.tell() == CUT + 1
        assert list(segments(store, box).values()) == [CUT]
        assert not fs.exists(f"{box}/a")
    assert fs.cat_file(f"{box}/a") == noise(CUT, 0) + b"x"
    write(fs, f"{box}/b", noise(CUT, 0))
    assert len(segments(store, box)) == 2
    assert not store.get_layout(box, "b").parts


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("before", [b"", noise(3 * CUT, "before")])
def test_after_an_error_everything_is_as_it_was(
    store: SwiftStore, fs: SwiftFileSystem, box: str, mode: str, compression: str | None, before: bytes
) -> None:
    write(fs, f"{box}/a", before)
    there = segments(store, box)
    content: Any = noise(3 * CUT, 0) if mode == "wb" else noise(3 * CUT, 0).hex()
    with (  # noqa: PT012
        pytest.raises(ZeroDivisionError),
        fs.open(f"{box}/a", mode, compression=compression, segment_size=CUT) as file,
    ):
        file.write(content)
        file.flush()
        assert len(segments(store, box)) > len(there)
        1 / 0  # noqa: B018
    assert file.closed
    assert fs.cat_file(f"{box}/a") == before
    assert segments(store, box) == there


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_what_nobody_closed_is_not_stored_and_that_is_said(
    fs: SwiftFileSystem, box: str, mode: str, compression: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    file = fs.open(f"{box}/a", mode, compression=compression)
    file.write(b"half" if mode == "wb" else "half")
    with caplog.at_level(logging.WARNING):
        del file
    assert not fs.exists(f"{box}/a")
    assert "not closed, so nothing was stored" in caplog.text


def test_a_file_that_cannot_be_finished_leaves_nothing(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    file = fs.open(f"{box}/a", "wb", segment_size=CUT)
    file.write(noise(3 * CUT, 0))
    store.delete(f"{box}_segments", [next(iter(segments(store, box)))])
    with pytest.raises(OSError, match="was not put together"):
        file.close()
    assert file.closed
    assert not fs.exists(f"{box}/a")
    assert not segments(store, box)


def test_text_and_compressed_files_are_written_as_any(fs: SwiftFileSystem, box: str) -> None:
    with fs.open(f"{box}/a.txt", "w", encoding="latin-1", newline="\r\n") as file:
        file.write("ü\n")
    assert fs.cat_file(f"{box}/a.txt") == "ü\r\n".encode("latin-1")
    with fs.open(f"{box}/a.gz", "wt", compression="infer") as file:
        file.write("ü\n")
    assert gzip.decompress(fs.cat_file(f"{box}/a.gz")) == "ü\n".encode()
    with fs.open(f"{box}/a.gz", "rt", compression="infer") as file:
        assert list(file) == ["ü\n"]


def test_replacing_a_large_file_leaves_none_of_its_segments(
    store: SwiftStore, fs: SwiftFileSystem, box: str, tmp_path: Path
) -> None:
    (tmp_path / "small").write_bytes(b"small")
    for replace in (
        lambda path: write(fs, path, noise(3 * CUT, 1)),
        lambda path: fs.pipe(path, b"small"),
        lambda path: fs.put_file(str(tmp_path / "small"), path),
        lambda path: fs.cp_file(f"{box}/other", path),
        lambda path: fs.rm(path),
    ):
        fs.pipe(f"{box}/other", b"other")
        write(fs, f"{box}/a", noise(3 * CUT, 0))
        replace(f"{box}/a")
        assert not orphans(store, box)
    assert not segments(store, box)


def test_writing_takes_the_memory_of_one_segment(fs: SwiftFileSystem, box: str) -> None:
    piece = noise(MIB, 0)
    tracemalloc.start()
    try:
        with fs.open(f"{box}/a", "wb", segment_size=4 * MIB) as file:
            for _ in range(40):
                file.write(piece)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * MIB
    assert fs.size(f"{box}/a") == 40 * MIB
    assert fs.cat_file(f"{box}/a", 39 * MIB, 40 * MIB) == piece


def test_an_object_is_never_appended_to(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(f"{box}/a", b"1")
    for mode in ("ab", "a", "r+b", "w+b"):
        with pytest.raises(NotImplementedError):
            fs.open(f"{box}/a", mode)
    with pytest.raises(FileExistsError):
        fs.open(f"{box}/a", "xb")
    with fs.open(f"{box}/b", "x") as file:
        file.write("new")
    assert fs.cat_file(f"{box}/b") == b"new"


def test_files_of_a_transaction_appear_at_its_end_or_not_at_all(
    store: SwiftStore, fs: SwiftFileSystem, box: str
) -> None:
    with fs.transaction:
        fs.pipe({f"{box}/a": b"1", f"{box}/b": b"2"})
        write(fs, f"{box}/c", noise(2 * CUT, 0))
        assert not fs.find(box)
    assert len(fs.find(box)) == 3
    with pytest.raises(ZeroDivisionError), fs.transaction:  # noqa: PT012
        write(fs, f"{box}/d", noise(2 * CUT, 0))
        fs.pipe(f"{box}/e", b"1")
        1 / 0  # noqa: B018
    assert len(fs.find(box)) == 3
    assert not orphans(store, box)


def test_touching_makes_an_empty_file_and_empties_one(fs: SwiftFileSystem, box: str) -> None:
    fs.touch(f"{box}/a")
    assert fs.info(f"{box}/a")["size"] == 0
    fs.pipe(f"{box}/a", b"1")
    fs.touch(f"{box}/a")
    assert fs.cat_file(f"{box}/a") == b""


def test_a_local_file_goes_and_comes_verified_and_says_how_far_it_is(
    store: SwiftStore, fs: SwiftFileSystem, box: str, tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(noise(2 * MIB, 0))
    with large.open("wb") as file:
        file.write(noise(MIB, 1))
        file.truncate(129 * MIB)
    for source in (small, large):
        told = Callback()
        fs.put_file(str(source), f"{box}/{source.name}", callback=told)
        assert told.value == told.size == source.stat().st_size
        told = Callback()
        fs.get_file(f"{box}/{source.name}", str(tmp_path / "new" / source.name), callback=told)
        assert told.value == told.size == source.stat().st_size
        assert source.read_bytes() == (tmp_path / "new" / source.name).read_bytes()
    assert len(segments(store, box)) == 3
    buffer = io.BytesIO()
    fs.get_file(f"{box}/small", buffer)
    assert buffer.getvalue() == small.read_bytes()


# ---- names


def test_a_copy_of_a_large_object_outlives_it(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    write(fs, f"{box}/a", noise(5 * CUT + 1, 0))
    fs.mkdir(f"{box}-other")
    fs.copy(f"{box}/a", f"{box}-other/b")
    fs.copy(f"{box}/a", f"{box}/c")
    fs.rm(f"{box}/a")
    assert fs.cat_file(f"{box}-other/b") == fs.cat_file(f"{box}/c") == noise(5 * CUT + 1, 0)
    assert not orphans(store, box)
    fs.mv(f"{box}/c", f"{box}/d")
    assert contents(store, box) == {"d": noise(5 * CUT + 1, 0)}
    fs.rm([f"{box}/d", f"{box}-other/b"])
    assert not segments(store, box)
    assert not segments(store, f"{box}-other")


def test_large_objects_of_other_tools_are_read_and_copied(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    """One that is whatever begins with a name, and one of stretches of segments."""
    store.put(box, "parts/1", b"first ")
    store.put(box, "parts/2", b"second")
    store._session.call_once(swiftclient.put_object, box, "dynamic", headers={"X-Object-Manifest": f"{box}/parts/"})
    stretches = [{"path": f"/{box}/parts/{part}", "range": "2-4"} for part in (1, 2)]
    manifest = {"contents": json.dumps(stretches), "query_string": "multipart-manifest=put"}
    store._session.call_once(swiftclient.put_object, box, "stretches", **manifest)
    for name, content in [("dynamic", b"first second"), ("stretches", b"rstcon")]:
        fs.cp_file(f"{box}/{name}", f"{box}/copy of {name}")
        fs.rm(f"{box}/{name}")
        assert fs.cat_file(f"{box}/copy of {name}") == content
        with fs.open(f"{box}/copy of {name}") as file:
            assert file.read() == content
    assert fs.cat_file(f"{box}/parts/1") == b"first "
    assert not orphans(store, box)


def test_a_copy_into_no_container_says_which_is_missing(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(f"{box}/a", b"1")
    write(fs, f"{box}/large", noise(3 * CUT, 0))
    for name in ("a", "large"):
        with pytest.raises(FileNotFoundError, match="no container 'no-such-container'"):
            fs.copy(f"{box}/{name}", "no-such-container/a")
    with pytest.raises(FileNotFoundError):
        fs.copy(f"{box}/no", f"{box}/b")


def test_moving_something_to_where_it_is_loses_nothing(fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(f"{box}/folder/a", b"1")
    fs.mv(f"{box}/folder/a", f"swift://{box}/folder/a")
    fs.mv(f"{box}/folder/a", f"{box}/folder")
    with pytest.raises(OSError, match="into itself"):
        fs.mv(f"{box}/folder", f"{box}/folder/deeper", recursive=True)
    assert fs.find(box) == [f"{box}/folder/a"]


def test_only_what_is_meant_is_deleted(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(dict.fromkeys([f"{box}/a", f"{box}/a/b", f"{box}/a/c/d", f"{box}/ab", f"{box}/x.csv", f"{box}/y.csv"], b""))
    with pytest.raises(IsADirectoryError):
        fs.rm([f"{box}/x.csv", f"{box}/a/c"])
    with pytest.raises(FileNotFoundError):
        fs.rm([f"{box}/x.csv", f"{box}/no"], recursive=True)
    with pytest.raises(FileNotFoundError):
        fs.rm(f"{box}/no*")
    assert len(contents(store, box)) == 6
    fs.rm(f"{box}/*.csv")
    fs.rm_file(f"{box}/a")
    assert set(contents(store, box)) == {"a/b", "a/c/d", "ab"}
    fs.rm(f"{box}/a", recursive=True, maxdepth=1)
    assert set(contents(store, box)) == {"a/c/d", "ab"}
    fs.rm(f"{box}/a", recursive=True)
    assert set(contents(store, box)) == {"ab"}
    fs.rm(box, recursive=True)
    assert not fs.exists(box)


def test_folders_below_a_container_need_no_making(fs: SwiftFileSystem, box: str) -> None:
    fs.mkdir(f"{box}/new")
    assert not fs.exists(f"{box}/new")
    fs.makedirs(f"{box}-new/a/b")
    assert fs.isdir(f"{box}-new")
    with pytest.raises(FileNotFoundError):
        fs.mkdir(f"{box}-none/a", create_parents=False)
    fs.pipe(f"{box}/folder/a", b"")
    for there in (box, f"{box}/folder", f"{box}/folder/a"):
        with pytest.raises(FileExistsError):
            fs.mkdir(there)
        with pytest.raises(FileExistsError):
            fs.makedirs(there)
    fs.makedirs(f"{box}/folder", exist_ok=True)
    with pytest.raises(FileExistsError):
        fs.makedirs(f"{box}/folder/a", exist_ok=True)


def test_only_an_empty_container_is_removed_as_a_folder(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(f"{box}/folder/a", b"")
    for full in (box, f"{box}/folder"):
        with pytest.raises(OSError, match="not empty"):
            fs.rmdir(full)
    with pytest.raises(StoreError):
        store.delete_container(box)
    store.put(box, "marker", b"", content_type="application/directory")
    fs.rmdir(f"{box}/marker")
    fs.rm(f"{box}/folder/a")
    fs.rmdir(box)
    assert not fs.exists(box)


@pytest.mark.parametrize("name", ["a b", "ü/ö", "100%", "a?b=c&d#e", "user@host", "%2e", "日本"])
def test_any_name_keeps_its_spelling(fs: SwiftFileSystem, box: str, name: str) -> None:
    fs.pipe(f"{box}/{name}", b"1")
    fs.cp_file(f"{box}/{name}", f"{box}/copy of {name}")
    fs.rm_file(f"{box}/{name}")
    assert fs.find(box) == [f"{box}/copy of {name}"]
    assert fs.cat_file(f"swift://conn@{box}/copy of {name}") == fs.cat_file(f"/{box}/copy of {name}") == b"1"


def test_a_store_that_is_closed_goes_on_when_asked(store: SwiftStore, fs: SwiftFileSystem, box: str) -> None:
    fs.pipe(f"{box}/a", b"1")
    store.close()
    assert fs.cat_file(f"{box}/a") == b"1"
    assert threading.active_count() < 20
