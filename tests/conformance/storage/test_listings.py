"""What a store promises for listings: order, prefixes, folders, pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.open_object_store import OpenedStore
from airflow_dlaas.storage.transfer.api import DownloadOptions, UploadOptions, download, upload
from tests.object_stores.cases import StoreCase

MANY = 10_000


def put_all(store: OpenedStore, container: str, *names: str) -> None:
    for name in names:
        store.put(container, name, b"x")


def entries(listing: object) -> list[str]:
    return [one.name if isinstance(one, StoredObject) else one for one in listing]  # type: ignore[attr-defined]


def test_prefix_selects_names_in_the_order_of_the_store(store: OpenedStore, container: str) -> None:
    put_all(store, container, "b/2", "b/1", "a", "b", "b-1", "c")
    assert entries(store.list_objects(container)) == sorted(["b/2", "b/1", "a", "b", "b-1", "c"])
    assert entries(store.list_objects(container, "b")) == sorted(["b/2", "b/1", "b", "b-1"])
    assert entries(store.list_objects(container, "b/")) == ["b/1", "b/2"]
    assert not entries(store.list_objects(container, "no-such"))


def test_names_are_sorted_by_their_bytes(store: OpenedStore, container: str) -> None:
    names = ["Z", "a", "ä", "日", "~", "!"]
    put_all(store, container, *names)
    assert entries(store.list_objects(container)) == sorted(names, key=str.encode)


def test_list_dir_has_objects_and_folders_of_one_level(store: OpenedStore, container: str) -> None:
    put_all(store, container, "top", "f/one", "f/two", "f/deep/er", "g/x")
    assert set(entries(store.list_dir(container))) == {"top", "f/", "g/"}
    assert set(entries(store.list_dir(container, "f/"))) == {"f/one", "f/two", "f/deep/"}
    assert not entries(store.list_dir(container, "no-such/"))
    assert len(entries(store.list_dir(container, limit=2))) == 2


def test_folder_markers_are_recognized(store: OpenedStore, container: str, tmp_path: Path) -> None:
    """Tools of Swift mark a folder by the type of an empty object, those of S3 by a slash at its end."""
    store.put(container, "a", b"", content_type="application/directory")
    store.put(container, "a/b", b"x")
    store.put(container, "empty", b"")
    assert [one.name for one in store.list_objects(container) if one.is_folder_marker] in (["a"], [])
    download(store, container, tmp_path, DownloadOptions(prefix="a"))
    assert (tmp_path / "b").read_bytes() == b"x"


def test_ten_thousand_objects_are_listed_in_pages(case: StoreCase, store: OpenedStore, container: str) -> None:
    case.require("cheap listing")
    assert case.add_listed_objects is not None or pytest.skip("an object of this store costs a request")
    case.add_listed_objects(container, MANY)
    listed = list(store.list_objects(container))
    assert [one.name for one in listed] == [f"{number:05}" for number in range(MANY)]
    assert {one.size for one in listed} == {1}
    assert len(list(store.list_objects(container, "01"))) == 1000
    assert len(list(store.list_dir(container))) == MANY


def test_listing_that_is_not_read_to_its_end_leaves_the_store_usable(store: OpenedStore, container: str) -> None:
    put_all(store, container, "a", "b", "c")
    assert next(iter(store.list_objects(container))).name == "a"
    put_all(store, container, "d")
    assert entries(store.list_objects(container)) == ["a", "b", "c", "d"]


def test_upload_of_many_files_is_listed_completely(store: OpenedStore, container: str, tmp_path: Path) -> None:
    names = [f"{number:05}" for number in range(60)]
    for name in names:
        (tmp_path / name).touch()
    upload(store, tmp_path, container, UploadOptions(prefix="p"))
    assert entries(store.list_objects(container)) == [f"p/{name}" for name in names]
