from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import InvalidName
from airflow_dlaas.storage.s3.addressing import (
    address_of,
    endpoint_in_region,
    endpoint_region,
    is_region,
    normalize_endpoint,
)

AWS = "https://s3.amazonaws.com"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTPS://S3.Example.com:443/", "https://s3.example.com"),
        ("http://h:80", "http://h"),
        ("http://h:443/a/", "http://h:443/a"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_endpoints_are_compared_in_one_spelling(url: str, normal: str):
    assert normalize_endpoint(url) == normal


def test_bucket_is_in_the_host_name_for_aws_only():
    assert address_of(AWS, "auto", "box", "a").base_url == "https://box.s3.amazonaws.com"
    assert address_of(AWS, "auto", "box", "a").path == "/a"
    assert address_of("http://minio:9000", "auto", "box", "a").base_url == "http://minio:9000"
    assert address_of("http://minio:9000", "auto", "box", "a").path == "/box/a"


@pytest.mark.parametrize("bucket", ["Box", "my_box", "a.b", "ab"])
def test_bucket_that_is_no_label_of_a_host_name_stays_in_the_path(bucket: str):
    assert address_of(AWS, "auto", bucket).base_url == AWS


@pytest.mark.parametrize("bucket", ["evil.example#", "evil.example?", "user@host", "a:b", "Box", "a.b"])
def test_bucket_cannot_become_another_host(bucket: str):
    with pytest.raises(InvalidName, match="addressing"):
        address_of("http://h", "virtual", bucket)


def test_addressing_of_the_connection_is_used():
    assert address_of(AWS, "path", "box", "a").path == "/box/a"
    virtual = address_of("http://h:9/s3", "virtual", "box", "a")
    assert (virtual.base_url, virtual.path, virtual.signed_path, virtual.host) == (
        "http://box.h:9/s3",
        "/a",
        "/s3/a",
        "box.h:9",
    )


def test_hosts_of_buckets_must_be_allowed_except_below_aws():
    assert address_of(AWS, "auto", "box").server_url == AWS
    assert address_of("http://h:9", "virtual", "box").server_url == "http://box.h:9"


@pytest.mark.parametrize("name", ["a b", "a+b", "a%b", "a?b", "a#b", "é", "/a", "a//b", "a/"])
def test_names_are_quoted_and_their_slashes_stay(name: str):
    path = address_of("http://h", "path", "box", name).path
    assert path.count("/") == name.count("/") + 2
    assert path.isascii()
    assert not {*" +?#"} & {*path}


def test_endpoint_of_aws_follows_the_region():
    assert endpoint_in_region(AWS, "us-east-1") == AWS
    assert endpoint_in_region(AWS, "eu-central-1") == "https://s3.eu-central-1.amazonaws.com"
    assert endpoint_in_region("https://s3.us-west-2.amazonaws.com", "eu-west-1") == "https://s3.eu-west-1.amazonaws.com"
    assert endpoint_in_region("http://minio:9000", "eu-west-1") == "http://minio:9000"
    assert endpoint_region("https://s3.us-west-2.amazonaws.com") == "us-west-2"
    assert endpoint_region("http://minio:9000") == "us-east-1"


@pytest.mark.parametrize("text", ["", "eu.west", "a/b", "x@y", "EU"])
def test_region_of_a_response_cannot_become_another_host(text: str):
    assert not is_region(text)
