"""Large objects of the embedded store that clients of both of its protocols use."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import S3StoreConnection, SwiftStoreConnection
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.object_store import ObjectStore, Part
from airflow_dlaas.storage.s3.store import S3Store
from airflow_dlaas.storage.store_helpers import read_part
from airflow_dlaas.storage.swift.store import SwiftStore

PART = 5 * 1024**2
CONTENT = os.urandom(PART + 1000)


@pytest.fixture
def by_swift(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    with SwiftStore.open(swift) as store:
        yield store


@pytest.fixture
def by_s3(swift: SwiftStoreConnection) -> Iterator[S3Store]:
    connection = S3StoreConnection(
        endpoint_url=swift.auth_url.removesuffix("/auth/v1.0"),
        access_key_id=swift.user,
        secret_access_key=swift.password,
    )
    with S3Store.open(connection) as store:
        yield store


@pytest.fixture
def box(by_swift: SwiftStore) -> str:
    name = f"box-{uuid.uuid4().hex}"
    by_swift.create_container(name)
    return name


def store_in_parts(store: ObjectStore, container: str) -> None:
    upload = store.begin_multipart(container, "large", size=len(CONTENT), part_size=PART)
    upload.put_part(0, BytesBody(CONTENT[:PART]))
    upload.put_part(1, BytesBody(CONTENT[PART:]))
    upload.complete()


def names(store: ObjectStore, container: str) -> list[str]:
    return [one.name for one in store.list_objects(container)]


def test_object_in_parts_of_s3_is_read_and_deleted_with_its_parts_by_swift(
    by_swift: SwiftStore, by_s3: S3Store, box: str, tmp_path: Path
):
    store_in_parts(by_s3, box)
    by_swift.get(box, "large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == CONTENT
    by_swift.delete_stored(box, list(by_swift.list_objects(box)))
    assert names(by_swift, box) == names(by_swift, f"{box}+segments") == []


def test_object_in_parts_of_s3_is_replaced_with_its_parts_by_swift(by_swift: SwiftStore, by_s3: S3Store, box: str):
    store_in_parts(by_s3, box)
    store_in_parts(by_swift, box)
    assert names(by_swift, f"{box}+segments") == []
    assert by_s3.read_range(box, "large", PART - 5, PART + 5) == CONTENT[PART - 5 : PART + 5]


def test_object_of_segments_of_swift_is_read_and_deleted_with_its_segments_by_s3(
    by_swift: SwiftStore, by_s3: S3Store, box: str, tmp_path: Path
):
    store_in_parts(by_swift, box)
    (listed,) = by_s3.list_objects(box)
    assert (listed.md5, listed.multipart_etag) == (None, None)
    by_s3.get(box, "large", tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == CONTENT
    layout = by_s3.get_layout(box, "large")
    assert read_part(by_s3, box, "large", layout, Part(10, 100)) == CONTENT[10:110]
    by_s3.delete(box, ["large"])
    assert names(by_swift, box) == names(by_swift, f"{box}_segments") == []


def test_containers_for_parts_are_no_buckets(by_swift: SwiftStore, by_s3: S3Store, box: str):
    store_in_parts(by_s3, box)
    assert box in by_s3.list_containers()
    assert f"{box}+segments" not in by_s3.list_containers()
