"""The store for Google Cloud Storage against the emulator; see `tests.gcs_server` for what that cannot do."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import ContainerNotFound, Corrupted, InvalidName, ObjectNotFound, StoreError
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.gcs.part_names import PARTS_FOLDER
from airflow_dlaas.storage.gcs.store import GcsStore
from airflow_dlaas.storage.object_store import StoredObject
from airflow_dlaas.storage.open_object_store import open_object_store
from airflow_dlaas.storage.segments import multipart_etag

PART_SIZE = 1000
CONTENT = random.Random(1).randbytes(40 * PART_SIZE - 7)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def part(number: int) -> BytesBody:
    return BytesBody(CONTENT[number * PART_SIZE : (number + 1) * PART_SIZE])


def names(store: GcsStore, bucket: str, prefix: str = "") -> list[str]:
    return [one.name for one in store.list_objects(bucket, prefix)]


def test_a_connection_opens_the_store(gcs: GcsStoreConnection, bucket: str) -> None:
    with open_object_store(gcs) as store:
        store.check(bucket)
        assert bucket in store.list_containers()
        assert store.account_url == gcs.url


@pytest.mark.parametrize("content", [b"", b"a", b"\r\n", b"x\r", b"--\r\n\r\n--", bytes(range(256)) * 2000])
def test_content_comes_back_as_it_was_stored(gcs_store: GcsStore, bucket: str, tmp_path: Path, content: bytes) -> None:
    assert gcs_store.put(bucket, "d/ü &?#%.bin", content) == md5(content)
    stored = gcs_store.stat(bucket, "d/ü &?#%.bin")
    assert (stored.size, stored.md5) == (len(content), md5(content))
    assert gcs_store.get(bucket, "d/ü &?#%.bin", tmp_path / "file") == len(content)
    assert (tmp_path / "file").read_bytes() == content


def test_content_with_another_md5_is_not_stored(gcs_store: GcsStore, bucket: str) -> None:
    gcs_store.put(bucket, "x", b"before")
    with pytest.raises(Corrupted):
        gcs_store.put(bucket, "x", b"damaged", md5=md5(b"sent"))
    assert gcs_store.stat(bucket, "x").md5 == md5(b"before")


def test_progress_counts_content_only_and_takes_failed_attempts_back(gcs_store: GcsStore, bucket: str) -> None:
    sent: list[int] = []
    gcs_store.put(bucket, "x", CONTENT, on_progress=sent.append)
    assert sum(sent) == len(CONTENT)
    with pytest.raises(Corrupted):
        gcs_store.put(bucket, "x", b"damaged", md5=md5(b"sent"), on_progress=sent.append)
    assert sum(sent) == len(CONTENT)


def test_folders_are_listed_one_level_at_a_time(gcs_store: GcsStore, bucket: str) -> None:
    for name in ("a/1", "a/b/2", "c", "d/3"):
        gcs_store.put(bucket, name, b"")

    def entries(folder: str = "", limit: int = 0) -> list[str]:
        found = gcs_store.list_dir(bucket, folder, limit=limit)
        return [one.name if isinstance(one, StoredObject) else one for one in found]

    assert entries() == ["a/", "c", "d/"]
    assert entries("a/") == ["a/1", "a/b/"]
    assert entries(limit=2) == ["a/", "c"]
    assert names(gcs_store, bucket, "a/b") == ["a/b/2"]


def test_what_does_not_exist_is_named(gcs_store: GcsStore, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(ContainerNotFound, match="no-such-bucket"):
        gcs_store.check("no-such-bucket")
    with pytest.raises(ContainerNotFound, match="no-such-bucket"):
        gcs_store.put("no-such-bucket", "x", b"")
    with pytest.raises(ContainerNotFound, match="no-such-bucket"):
        gcs_store.get("no-such-bucket", "x", tmp_path / "file")
    with pytest.raises(ObjectNotFound, match="no-such-object"):
        gcs_store.get(bucket, "no-such-object", tmp_path / "file")
    with pytest.raises(ObjectNotFound, match="no-such-object"):
        gcs_store.stat(bucket, "no-such-object")
    assert not list(tmp_path.iterdir())


def test_a_bad_name_is_refused_before_a_request(gcs_store: GcsStore, bucket: str) -> None:
    with pytest.raises(InvalidName):
        gcs_store.put(bucket, "a/../b", b"")
    with pytest.raises(InvalidName):
        gcs_store.delete(bucket, ["..", "x"])
    with pytest.raises(InvalidName):
        gcs_store.check("a/b")


def test_any_number_of_objects_is_deleted_and_missing_ones_are_no_error(gcs_store: GcsStore, bucket: str) -> None:
    for number in range(205):
        gcs_store.put(bucket, f"d/{number:03} x", b"")
    gcs_store.put(bucket, "kept", b"")
    gcs_store.delete(bucket, [*names(gcs_store, bucket, "d/"), "missing"])
    assert names(gcs_store, bucket) == ["kept"]
    gcs_store.delete(bucket, ["kept"])
    gcs_store.delete(bucket, ["kept"])
    assert names(gcs_store, bucket) == []


def test_a_range_ends_where_the_object_ends(gcs_store: GcsStore, bucket: str) -> None:
    gcs_store.put(bucket, "x", b"0123456789")
    assert gcs_store.read_range(bucket, "x", 2, 5) == b"234"
    assert gcs_store.read_range(bucket, "x", 8, 50) == b"89"
    assert gcs_store.read_range(bucket, "x", 50, 60) == b""
    assert gcs_store.read_range(bucket, "x", 5, 5) == b""


def test_a_bucket_with_objects_is_not_deleted(gcs_store: GcsStore, bucket: str) -> None:
    gcs_store.create_container(bucket)
    gcs_store.put(bucket, "x", b"")
    with pytest.raises(StoreError, match="409"):
        gcs_store.delete_container(bucket)
    gcs_store.delete(bucket, ["x"])
    gcs_store.delete_container(bucket)
    with pytest.raises(ContainerNotFound):
        gcs_store.check(bucket)


def test_parts_are_sent_in_any_order_and_appear_as_one_object(gcs_store: GcsStore, bucket: str, tmp_path: Path) -> None:
    upload = gcs_store.begin_multipart(bucket, "d/large", size=len(CONTENT), part_size=PART_SIZE)
    with ThreadPoolExecutor(4) as threads:
        md5s = list(threads.map(lambda number: upload.put_part(number, part(number)), reversed(range(40))))
    assert names(gcs_store, bucket) == []
    upload.complete(content_type="text/plain")
    assert names(gcs_store, bucket) == ["d/large"]
    assert names(gcs_store, bucket, PARTS_FOLDER) == []
    assert gcs_store.stat(bucket, "d/large").multipart_etag == multipart_etag(reversed(md5s))
    gcs_store.get(bucket, "d/large", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_of_a_composed_object_is_fetched_and_verified(gcs_store: GcsStore, bucket: str) -> None:
    upload = gcs_store.begin_multipart(bucket, "large", size=len(CONTENT), part_size=PART_SIZE)
    for number in range(40):
        upload.put_part(number, part(number))
    upload.complete()
    layout = gcs_store.get_layout(bucket, "large")
    received = bytearray(len(CONTENT))

    def write_at(start: int, chunk: bytes) -> None:
        received[start : start + len(chunk)] = chunk

    for one in layout.parts:
        gcs_store.get_part(bucket, "large", layout, one, write_at)
    assert bytes(received) == CONTENT
    assert [one.md5 for one in layout.parts] == [md5(part(number).data) for number in range(40)]


def test_an_interrupted_upload_is_resumed(gcs_store: GcsStore, bucket: str) -> None:
    interrupted = gcs_store.begin_multipart(bucket, "large", size=len(CONTENT), part_size=PART_SIZE)
    for number in range(39):
        interrupted.put_part(number, part(number))
    upload = gcs_store.begin_multipart(bucket, "large", size=len(CONTENT), part_size=PART_SIZE)
    for number in range(39):
        [stored] = upload.stored_parts(number)
        assert stored.md5 == md5(part(number).data)
        upload.reuse_part(number, stored)
    assert not upload.stored_parts(39)
    upload.put_part(39, part(39))
    upload.complete()
    assert gcs_store.read_range(bucket, "large", 0, len(CONTENT)) == CONTENT
    assert names(gcs_store, bucket, PARTS_FOLDER) == []


def test_parts_of_other_sizes_are_not_reused_but_removed(gcs_store: GcsStore, bucket: str) -> None:
    gcs_store.begin_multipart(bucket, "x", size=7, part_size=3).put_part(0, BytesBody(b"abc"))
    upload = gcs_store.begin_multipart(bucket, "x", size=8, part_size=4)
    assert not upload.stored_parts(0)
    upload.put_part(0, BytesBody(b"abcd"))
    upload.put_part(1, BytesBody(b"efgh"))
    upload.complete()
    assert names(gcs_store, bucket, PARTS_FOLDER) == []


def test_a_discarded_upload_leaves_nothing(gcs_store: GcsStore, bucket: str) -> None:
    upload = gcs_store.begin_multipart(bucket, "x", size=None, part_size=3)
    upload.put_part(0, BytesBody(b"abc"))
    upload.discard()
    assert names(gcs_store, bucket, PARTS_FOLDER) == names(gcs_store, bucket) == []


def test_an_upload_whose_part_is_gone_fails(gcs_store: GcsStore, bucket: str) -> None:
    upload = gcs_store.begin_multipart(bucket, "x", size=6, part_size=3)
    upload.put_part(0, BytesBody(b"abc"))
    upload.put_part(1, BytesBody(b"def"))
    gcs_store.delete(bucket, names(gcs_store, bucket, PARTS_FOLDER)[:1])
    with pytest.raises(Corrupted, match="gone"):
        upload.complete()
    assert names(gcs_store, bucket) == []


def test_abandoned_parts_are_deleted_and_do_not_keep_a_bucket(gcs_store: GcsStore, bucket: str) -> None:
    for name in ("a/x", "a/y", "b"):
        gcs_store.begin_multipart(bucket, name, size=6, part_size=3).put_part(0, BytesBody(b"abc"))
    gcs_store.delete_abandoned(bucket, "a/", lambda name: name == "a/x")
    assert [one.split("/dlaas/")[0] for one in names(gcs_store, bucket, PARTS_FOLDER)] == [
        f"{PARTS_FOLDER}a/y",
        f"{PARTS_FOLDER}b",
    ]
    assert list(gcs_store.list_dir(bucket, limit=1)) == []
    gcs_store.delete_container(bucket)


def test_an_upload_to_a_missing_bucket_fails_when_it_begins(gcs_store: GcsStore) -> None:
    with pytest.raises(ContainerNotFound):
        gcs_store.begin_multipart("no-such-bucket", "x", size=None, part_size=3)


def test_a_copy_is_made_by_the_store(gcs_store: GcsStore, bucket: str) -> None:
    upload = gcs_store.begin_multipart(bucket, "x", size=6, part_size=3)
    upload.put_part(0, BytesBody(b"abc"))
    upload.put_part(1, BytesBody(b"def"))
    upload.complete()
    assert gcs_store.copy(bucket, "x", bucket, "d/y z")
    gcs_store.delete(bucket, ["x"])
    assert gcs_store.read_range(bucket, "d/y z", 0, 6) == b"abcdef"
    assert len(gcs_store.get_layout(bucket, "d/y z").parts) == 2
    with pytest.raises(ObjectNotFound):
        gcs_store.copy(bucket, "missing", bucket, "z")
    with pytest.raises(ContainerNotFound, match="no-such-bucket"):
        gcs_store.copy(bucket, "d/y z", "no-such-bucket", "z")
