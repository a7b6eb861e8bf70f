"""What a store promises for one object: content, names, copies, ranges, deletion."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import Corrupted, ObjectNotFound, StoreError
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from tests.object_stores.cases import MIB, StoreCase
from tests.stored import contents, random_bytes

ODD_NAMES = (
    "a b",
    "a+b",
    "ü/ö",
    "100%",
    "%2e%2e",
    "a?b=c&d#e",
    "deep/er/file",
    "日本",
    "<x>&'\"",
    "~tilde/.hidden",
    "name.with;semi,colon:and@at",
    "a\\b",
)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("content", [b"", b"x", b"\x00\xff" * 2_000_000], ids=["empty", "one byte", "4 MB"])
def test_get_returns_what_put_stored(store: OpenedStore, container: str, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "source").write_bytes(content)
    assert store.put(container, "file", tmp_path / "source") == md5(content)
    assert store.put(container, "bytes", content) == md5(content)
    for name in ("file", "bytes"):
        assert store.get(container, name, tmp_path / name) == len(content)
        assert (tmp_path / name).read_bytes() == content
        assert store.stat(container, name).size == len(content)
    assert {(one.size, one.md5) for one in store.list_objects(container)} == {(len(content), md5(content))}


def test_progress_counts_the_bytes_of_an_object(store: OpenedStore, container: str, tmp_path: Path) -> None:
    sent: list[int] = []
    received: list[int] = []
    store.put(container, "a", b"x" * MIB, on_progress=sent.append)
    store.get(container, "a", tmp_path / "a", on_progress=received.append)
    assert sum(sent) == sum(received) == MIB


@pytest.mark.parametrize("name", ODD_NAMES)
def test_object_names_keep_their_spelling(store: OpenedStore, container: str, tmp_path: Path, name: str) -> None:
    store.put(container, name, b"x", content_type="text/plain")
    assert [one.name for one in store.list_objects(container, name)] == [name]
    assert store.stat(container, name).name == name
    assert store.read_range(container, name, 0, 9) == b"x"
    assert store.get(container, name, tmp_path / "x") == 1
    store.copy(container, name, container, f"copy of {name}")
    store.delete(container, [name])
    assert [one.name for one in store.list_objects(container)] == [f"copy of {name}"]


def test_put_replaces_an_object(store: OpenedStore, container: str, tmp_path: Path) -> None:
    store.put(container, "a", b"before")
    store.put(container, "a", b"after", md5=md5(b"after"))
    assert contents(store, container) == {"a": b"after"}


def test_put_with_a_wrong_md5_keeps_the_old_object(case: StoreCase, store: OpenedStore, container: str) -> None:
    case.require("md5")
    store.put(container, "a", b"before")
    with pytest.raises(Corrupted, match="was not stored"):
        store.put(container, "a", b"after", md5="0" * 32)
    assert contents(store, container) == {"a": b"before"}


def test_file_written_during_its_upload_is_never_stored_partially(
    case: StoreCase, container: str, tmp_path: Path
) -> None:
    """What is stored at the end is the new content of the file."""
    case.require("md5")
    path = tmp_path / "log"
    path.write_bytes(b"x" * 3_000_000)

    def change(count: int) -> None:
        if count > 0 and path.stat().st_size == 3_000_000:
            path.write_bytes(b"y" * 2_000_000)

    with open_object_store(case.connection) as retrying_store:
        retrying_store.put(container, "log", b"before")
        retrying_store.put(container, "log", path, on_progress=change)
        (one,) = retrying_store.list_objects(container)
    assert one.md5 == md5(path.read_bytes())


def test_stat_describes_the_object_as_the_listing_does(store: OpenedStore, container: str) -> None:
    begun = datetime.now(timezone.utc)
    store.put(container, "a/b", b"content")
    one = store.stat(container, "a/b")
    (listed,) = store.list_objects(container)
    assert (one.name, one.size, one.md5, one.digest) == ("a/b", 7, md5(b"content"), listed.digest)
    for seen in (one, listed):
        assert abs(seen.modified - begun) < timedelta(minutes=2)


def test_layout_of_a_small_object_has_its_size_and_md5(store: OpenedStore, container: str) -> None:
    store.put(container, "a", b"content")
    layout = store.get_layout(container, "a")
    assert (layout.size, layout.md5, layout.parts) == (7, md5(b"content"), ())


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 10, b"0123456789"), (3, 5, b"34"), (8, 100, b"89"), (10, 20, b""), (50, 60, b""), (4, 4, b"")],
)
def test_read_range_returns_the_bytes_that_exist(
    store: OpenedStore, container: str, start: int, end: int, expected: bytes
) -> None:
    store.put(container, "a", b"0123456789")
    assert store.read_range(container, "a", start, end) == expected


def test_get_part_writes_a_range_of_the_described_content(store: OpenedStore, container: str) -> None:
    content = random_bytes(3 * MIB, "part")
    store.put(container, "a", content)
    layout = store.get_layout(container, "a")
    received = bytearray(len(content))

    def write_at(offset: int, data: bytes) -> None:
        received[offset : offset + len(data)] = data

    for part in (Part(0, MIB), Part(MIB, 2 * MIB)):
        store.get_part(container, "a", layout, part, write_at)
    assert bytes(received) == content


def test_part_of_a_replaced_object_is_refused(case: StoreCase, store: OpenedStore, container: str) -> None:
    case.require("conditional reads")
    store.put(container, "a", b"before")
    layout = store.get_layout(container, "a")
    store.put(container, "a", b"after!")
    with pytest.raises(StoreError):
        store.get_part(container, "a", layout, Part(0, 6), lambda *_: None)


def test_copy_is_independent_of_its_source(store: OpenedStore, container: str) -> None:
    other = f"{container}-x"
    store.create_container(other)
    store.put(container, "a", b"content", content_type="text/plain")
    store.copy(container, "a", container, "b/c")
    store.copy(container, "a", other, "a")
    store.delete(container, ["a"])
    assert contents(store, container) == {"b/c": b"content"}
    assert contents(store, other) == {"a": b"content"}


def test_copy_of_a_missing_object_is_reported(store: OpenedStore, container: str) -> None:
    with pytest.raises(ObjectNotFound):
        store.copy(container, "no-such", container, "b")
    assert not contents(store, container)


def test_delete_accepts_missing_objects_and_leaves_others(store: OpenedStore, container: str) -> None:
    names = [f"{number}" for number in range(25)] + list(ODD_NAMES)
    for name in names:
        store.put(container, name, b"x")
    store.put(container, "stays", b"x")
    store.delete(container, [*names, "no-such"])
    assert [one.name for one in store.list_objects(container)] == ["stays"]
    store.delete(container, [])


def test_containers_are_created_listed_and_deleted_when_empty(store: OpenedStore, container: str) -> None:
    store.create_container(container)  # exists
    store.check(container)
    assert container in store.list_containers()
    store.put(container, "a", b"x")
    with pytest.raises(StoreError):
        store.delete_container(container)
    store.delete(container, ["a"])
    store.delete_container(container)
    assert container not in store.list_containers()


def test_threads_share_a_store(case: StoreCase, container: str, tmp_path: Path) -> None:
    def round_trip(number: int) -> bool:
        content = f"{number}".encode() * number
        store.put(container, f"{number}", content)
        store.get(container, f"{number}", tmp_path / f"{number}")
        return (tmp_path / f"{number}").read_bytes() == content

    with open_object_store(case.connection, OpenOptions()) as store, ThreadPoolExecutor(8) as pool:
        assert all(pool.map(round_trip, range(60)))


def test_closed_store_can_be_used_again(store: OpenedStore, container: str) -> None:
    store.put(container, "a", b"x")
    store.close()
    assert store.read_range(container, "a", 0, 1) == b"x"
