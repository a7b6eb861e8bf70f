"""The embedded Swift for clients of S3, here boto3, and the same objects by both protocols."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import SecretStr

from airflow_dlaas.contract.store_connections import SwiftStoreConnection
from airflow_dlaas.service.config.tls import TlsConfig
from airflow_dlaas.service.objectstore.embedded import EmbeddedSwift, SwiftLogin
from airflow_dlaas.storage.open_object_store import OpenedStore, open_object_store
from airflow_dlaas.storage.transfer.api import DownloadOptions, UploadOptions, download, upload
from tests.certificates import pair
from tests.integration.objectstore.conftest import KEY, USER, free_port
from tests.stored import contents, random_bytes, read_tree, segments, write_tree

MIB = 1024**2

PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)

ODD_NAMES = ("a b+c", "ü/日本", "100%", "a?b=c&d#e", "<x>&'\"")


def s3_client(login: SwiftLogin, **options: Any) -> Any:
    """Return a client with boto3's own defaults."""
    return boto3.client(
        "s3",
        endpoint_url=login.auth_url.removesuffix("/auth/v1.0"),
        aws_access_key_id=login.user,
        aws_secret_access_key=options.pop("secret", login.key),
        region_name="us-east-1",
        **options,
    )


@pytest.fixture
def s3(swift: EmbeddedSwift) -> Iterator[Any]:
    client = s3_client(swift.login)
    yield client
    client.close()


@pytest.fixture
def store(swift: EmbeddedSwift) -> Iterator[OpenedStore]:
    """The same store by Swift's own API."""
    login = swift.login
    connection = SwiftStoreConnection(auth_url=login.auth_url, user_id=login.user, password=SecretStr(login.key))
    with open_object_store(connection) as opened:
        yield opened


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name: str = request.node.name.replace("_", "-")[:50]
    s3.create_bucket(Bucket=name)
    return name


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(ClientError) as error:
        yield
    assert error.value.response["Error"]["Code"] == code


def get(s3: Any, bucket: str, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def test_objects_are_put_listed_read_and_deleted(s3: Any, bucket: str) -> None:
    for key in ODD_NAMES:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert bucket in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert sorted(one["Key"] for one in listed) == sorted(ODD_NAMES)
    for key in ODD_NAMES:
        assert get(s3, bucket, key) == key.encode()
    assert s3.get_object(Bucket=bucket, Key="100%", Range="bytes=1-2")["Body"].read() == b"00"
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in ODD_NAMES]})
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_wrong_key_and_unknown_user_are_refused(swift: EmbeddedSwift, bucket: str) -> None:
    with refused("SignatureDoesNotMatch"):
        s3_client(swift.login, secret="hunter2-hunter2").list_objects_v2(Bucket=bucket)
    with refused("SignatureDoesNotMatch"):
        s3_client(SwiftLogin(swift.login.auth_url, "another:user", KEY)).list_objects_v2(Bucket=bucket)


def test_missing_bucket_and_key_are_reported(s3: Any, bucket: str) -> None:
    with refused("NoSuchBucket"):
        s3.list_objects_v2(Bucket="no-such-bucket")
    with refused("NoSuchKey"):
        s3.get_object(Bucket=bucket, Key="no-such")


def test_wrong_content_md5_stores_nothing(s3: Any, bucket: str) -> None:
    with refused("BadDigest"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_conditional_put_keeps_the_first_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"first", IfNoneMatch="*")
    with refused("PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"second", IfNoneMatch="*")
    assert get(s3, bucket, "a") == b"first"


def test_presigned_url_needs_no_key(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b", Body=b"content")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    assert requests.get(url, timeout=60).content == b"content"


def test_large_object_goes_up_and_down_in_parts(s3: Any, bucket: str) -> None:
    content = random_bytes(12 * MIB, "parts")
    s3.upload_fileobj(io.BytesIO(content), bucket, "large", Config=PARTS)
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    received = io.BytesIO()
    s3.download_fileobj(bucket, "large", received, Config=PARTS)
    assert received.getvalue() == content


def test_listing_has_pages(s3: Any, bucket: str) -> None:
    for number in range(7):
        s3.put_object(Bucket=bucket, Key=f"f/{number}", Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
    assert [len(page["Contents"]) for page in pages] == [3, 3, 1]
    assert s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"] == [{"Prefix": "f/"}]


def test_both_protocols_see_the_same_objects(s3: Any, bucket: str, store: OpenedStore) -> None:
    for number, name in enumerate(ODD_NAMES):
        store.put(bucket, name, b"by Swift") if number % 2 else s3.put_object(Bucket=bucket, Key=name, Body=b"by S3")
    expected = {name: b"by Swift" if number % 2 else b"by S3" for number, name in enumerate(ODD_NAMES)}
    assert contents(store, bucket) == expected
    assert {name: get(s3, bucket, name) for name in ODD_NAMES} == expected
    etags = {one["Key"]: one["ETag"].strip('"') for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert {one.name: one.md5 for one in store.list_objects(bucket)} == etags


def test_container_with_a_name_that_s3_does_not_permit_is_a_bucket(s3: Any, store: OpenedStore) -> None:
    store.create_container("tf_training_data")
    store.put("tf_training_data", "a", b"x")
    assert get(s3, "tf_training_data", "a") == b"x"


def test_multipart_object_of_s3_is_downloaded_and_verified_by_swift(
    s3: Any, bucket: str, store: OpenedStore, tmp_path: Path
) -> None:
    content = random_bytes(12 * MIB, "s3 to swift")
    s3.upload_fileobj(io.BytesIO(content), bucket, "data/large", Config=PARTS)
    options = DownloadOptions(prefix="data", segment_size=5 * MIB)
    assert download(store, bucket, tmp_path / "there", options).files == 1
    assert read_tree(tmp_path / "there") == {"large": content}
    assert download(store, bucket, tmp_path / "there", options).unchanged == 1
    # An upload of the same content by the other protocol finds it unchanged.
    again = upload(store, tmp_path / "there", bucket, UploadOptions(prefix="data", segment_size=5 * MIB))
    assert (again.files, again.unchanged) == (0, 1)


def test_object_of_segments_is_downloaded_by_s3(s3: Any, bucket: str, store: OpenedStore, tmp_path: Path) -> None:
    tree = {"large": random_bytes(12 * MIB, "swift to s3")}
    upload(store, write_tree(tmp_path / "here", tree), bucket, UploadOptions(segment_size=5 * MIB))
    assert segments(store, bucket)
    received = io.BytesIO()
    s3.download_fileobj(bucket, "large", received, Config=PARTS)
    assert received.getvalue() == tree["large"]
    (listed,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (listed["Key"], listed["Size"]) == ("large", 12 * MIB)


def test_object_of_segments_that_s3_deletes_leaves_no_segments(
    s3: Any, bucket: str, store: OpenedStore, tmp_path: Path
) -> None:
    tree = {"large": random_bytes(11 * MIB, 1)}
    upload(store, write_tree(tmp_path, tree), bucket, UploadOptions(segment_size=5 * MIB))
    s3.delete_object(Bucket=bucket, Key="large")
    assert not contents(store, bucket)
    assert not segments(store, bucket)


def test_store_with_tls_serves_s3_by_https_only(tmp_path: Path) -> None:
    issued = pair(tmp_path / "tls", "127.0.0.1")
    tls = TlsConfig(issued.certificate, issued.key)
    with EmbeddedSwift(tmp_path / "swift", port=free_port(), user=USER, key=KEY, tls=tls) as swift:
        client = s3_client(
            swift.login, verify=str(issued.certificate), config=Config(retries={"total_max_attempts": 1})
        )
        client.create_bucket(Bucket="secure")
        client.put_object(Bucket="secure", Key="a", Body=b"x" * MIB)
        assert get(client, "secure", "a") == b"x" * MIB
        client.close()
