"""What uploads, downloads and deletions of folders promise with every store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.exceptions import NothingSelected, ObjectNotFound, StoreError
from airflow_dlaas.storage.open_object_store import OpenedStore, OpenOptions, open_object_store
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    TransferReport,
    UploadOptions,
    delete_objects,
    download,
    plan_upload,
    upload,
)
from tests.conformance.storage.test_objects import ODD_NAMES
from tests.fault_proxy import FaultProxy, SendReply
from tests.object_stores.cases import MIB, StoreCase
from tests.stored import Tree, contents, random_bytes, read_tree, write_tree

TREE: Tree = {f"{number % 3}/{number}.bin": bytes([number]) * number * 1000 for number in range(30)}
TOTAL = sum(map(len, TREE.values()))

PART = 5 * MIB
"""Bytes of a part: the smallest that S3 accepts."""

LARGE = {"large": random_bytes(2 * PART + MIB, "large")}


@pytest.fixture
def proxy(case: StoreCase) -> Iterator[FaultProxy]:
    """A proxy in front of the store, which counts requests and interrupts them."""
    case.require("proxy")
    with FaultProxy(case.connection.url) as one:
        yield one


@pytest.fixture
def proxied(case: StoreCase, proxy: FaultProxy) -> Iterator[OpenedStore]:
    with open_object_store(case.through(proxy), OpenOptions(retry_policy=NO_RETRY)) as opened:
        yield opened


def listings(proxy: FaultProxy, container: str) -> int:
    """Return the number of requests that read the listing of *container*."""
    return proxy.count(method="GET", path=re.compile(rf"/{container}(/o)?(\?|$)"))


def test_folder_round_trip_transfers_nothing_the_second_time(
    store: OpenedStore, container: str, tmp_path: Path
) -> None:
    here, there = write_tree(tmp_path / "here", TREE), tmp_path / "there"
    seen: list[Progress] = []
    first = upload(store, here, container, UploadOptions(prefix="p", progress=seen.append))
    assert first == TransferReport(30, TOTAL, 0)
    assert seen[-1] == Progress(TOTAL, TOTAL, 30, 30)
    assert download(store, container, there, DownloadOptions(prefix="p")) == TransferReport(30, TOTAL, 0)
    assert read_tree(there) == TREE
    assert upload(store, here, container, UploadOptions(prefix="p")) == TransferReport(0, 0, 30)
    assert download(store, container, there, DownloadOptions(prefix="p")) == TransferReport(0, 0, 30)


def test_unchanged_folder_costs_one_listing_and_no_content(
    store: OpenedStore, proxied: OpenedStore, proxy: FaultProxy, container: str, tmp_path: Path
) -> None:
    here, there = write_tree(tmp_path / "here", TREE | LARGE), tmp_path / "there"
    options = UploadOptions(prefix="p", segment_size=PART)
    fetching = DownloadOptions(prefix="p", segment_size=PART)
    upload(store, here, container, options)
    download(store, container, there, fetching)
    assert upload(proxied, here, container, options).unchanged == 31
    assert listings(proxy, container) == 1
    assert proxy.sent() < 1000
    proxy.clear()
    assert download(proxied, container, there, fetching).unchanged == 31
    assert listings(proxy, container) == 1
    assert sum(one.reply_bytes for one in proxy.requests) < 50_000


def test_plan_names_what_an_upload_would_do_and_changes_nothing(
    store: OpenedStore, container: str, tmp_path: Path
) -> None:
    here = write_tree(tmp_path / "here", {"same": b"same", "changed": b"before"})
    upload(store, here, container, UploadOptions(prefix="p"))
    store.put(container, "p/gone", b"x")
    write_tree(here, {"changed": b"after!", "new": b"new"})
    before = contents(store, container)
    plan = plan_upload(store, here, container, UploadOptions(prefix="p", delete=True))
    assert [source.name for source in plan.uploads] == ["p/changed", "p/new"]
    assert (plan.unchanged, plan.bytes, plan.deletions) == (1, 9, ("p/gone",))
    assert contents(store, container) == before
    upload(store, here, container, UploadOptions(prefix="p", delete=True))
    assert contents(store, container) == {"p/same": b"same", "p/changed": b"after!", "p/new": b"new"}


def test_plan_for_a_missing_container_creates_none(store: OpenedStore, container: str, tmp_path: Path) -> None:
    here = write_tree(tmp_path / "here", {"a": b"a"})
    new = f"{container}-new"
    assert plan_upload(store, here, new, UploadOptions(create_container=True)).creates_container
    assert new not in store.list_containers()
    upload(store, here, new, UploadOptions(create_container=True))
    assert contents(store, new) == {"a": b"a"}


def test_files_with_odd_names_come_back(store: OpenedStore, container: str, tmp_path: Path) -> None:
    tree = {f"{number}/{name}": name.encode() for number, name in enumerate(ODD_NAMES)}
    upload(store, write_tree(tmp_path / "here", tree), container)
    assert contents(store, container) == tree
    download(store, container, tmp_path / "there")
    assert read_tree(tmp_path / "there") == tree
    delete_objects(store, container)
    assert not contents(store, container)


def test_large_file_is_one_object_that_comes_back(store: OpenedStore, container: str, tmp_path: Path) -> None:
    here, there = write_tree(tmp_path / "here", LARGE), tmp_path / "there"
    seen: list[Progress] = []
    size = len(LARGE["large"])
    sent = upload(store, here, container, UploadOptions(segment_size=PART, progress=seen.append))
    assert sent == TransferReport(1, size, 0)
    assert seen[-1].bytes_done == size
    (listed,) = store.list_objects(container)
    assert (listed.name, listed.size) == ("large", size)
    assert listed.digest == store.stat(container, "large").digest
    assert download(store, container, there, DownloadOptions(segment_size=PART)).bytes == size
    assert read_tree(there) == LARGE
    assert store.get(container, "large", tmp_path / "got") == size
    assert (tmp_path / "got").read_bytes() == LARGE["large"]


def test_changed_file_replaces_a_large_object(store: OpenedStore, container: str, tmp_path: Path) -> None:
    here = write_tree(tmp_path / "here", LARGE)
    options = UploadOptions(segment_size=PART)
    upload(store, here, container, options)
    changed = random_bytes(2 * PART + MIB, "changed")
    write_tree(here, {"large": changed})
    assert upload(store, here, container, options).files == 1
    write_tree(tmp_path / "there", LARGE)
    download(store, container, tmp_path / "there", DownloadOptions(segment_size=PART))
    assert read_tree(tmp_path / "there") == {"large": changed}
    write_tree(here, {"large": b"small"})
    upload(store, here, container, options)
    assert contents(store, container) == {"large": b"small"}


def test_interrupted_upload_sends_only_the_missing_parts(
    store: OpenedStore, proxied: OpenedStore, proxy: FaultProxy, container: str, tmp_path: Path
) -> None:
    if not store.limits().max_segments:
        pytest.skip("this store has no parts")
    here = write_tree(tmp_path / "here", LARGE)
    options = UploadOptions(segment_size=PART, threads=1)
    # The second request of its kind has the second part; of Google Cloud Storage, each part is an object.
    parts = re.compile(r"_segments/.*/0000000\d$|partNumber=\d|uploadType=multipart")
    proxy.on(SendReply(503), path=parts, times=None, skip=1)
    with pytest.raises(StoreError):
        upload(proxied, here, container, options)
    assert not contents(store, container)
    proxy.calm()
    proxy.clear()
    upload(proxied, here, container, options)
    assert PART <= proxy.sent() < 2 * PART + MIB
    assert contents(store, container) == LARGE


def test_interrupted_download_fetches_only_the_missing_parts(
    store: OpenedStore, proxied: OpenedStore, proxy: FaultProxy, container: str, tmp_path: Path
) -> None:
    upload(store, write_tree(tmp_path / "here", LARGE), container, UploadOptions(segment_size=PART))
    options = DownloadOptions(segment_size=PART, threads=1)
    size, there = len(LARGE["large"]), tmp_path / "there"
    content = re.compile(r"/large(\?(?!multipart-manifest|fields).*)?$")
    proxy.on(SendReply(503), method="GET", path=content, times=None, skip=1)
    with pytest.raises(StoreError):
        download(proxied, container, there, options)
    assert not (there / "large").exists()
    proxy.calm()
    proxy.clear()
    download(proxied, container, there, options)
    assert sum(one.reply_bytes for one in proxy.requests) < size
    assert read_tree(there) == LARGE


def test_deletion_takes_only_what_it_is_given(store: OpenedStore, container: str) -> None:
    for name in ("a/1", "a/2", "ab", "b"):
        store.put(container, name, b"x")
    assert list(delete_objects(store, container, names=["a/1", "no-such"])) == ["a/1"]
    assert list(delete_objects(store, container, prefix="a")) == ["a/2"]
    assert set(contents(store, container)) == {"ab", "b"}


def test_nothing_to_transfer_is_an_error_unless_allowed(store: OpenedStore, container: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingSelected):
        upload(store, tmp_path / "empty", container)
    assert upload(store, tmp_path / "empty", container, UploadOptions(allow_empty=True)).files == 0
    with pytest.raises(ObjectNotFound):
        download(store, container, tmp_path / "there", DownloadOptions(prefix="p"))
    assert download(store, container, tmp_path / "there", DownloadOptions(prefix="p", allow_empty=True)).files == 0
