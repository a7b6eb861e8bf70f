"""Tests of the fields of connections to object stores of the types `aws` and `google_cloud_platform`."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import Connection

from airflow_dlaas.contract.store_connections import GcsStoreConnection, S3StoreConnection
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection, read_store_connection
from airflow_dlaas.hooks.store_connections.asset_uris import is_asset_of
from airflow_dlaas.hooks.store_connections.aws import AwsFields
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials

KEY = {
    "type": "service_account",
    "client_email": "trainer@project.iam.gserviceaccount.com",
    "private_key": "-----BEGIN PRIVATE KEY-----\\nhidden-key\\n-----END PRIVATE KEY-----",
    "token_uri": "https://oauth2.googleapis.com/token",
}


@pytest.fixture(autouse=True)
def _no_files_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration of this machine's user has no effect."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


def aws(login: str | None = "AKIA", **given: Any) -> ObjectStoreConnection:
    password = given.pop("password", "hidden")
    extra = json.dumps(given) if given else None
    return read_store_connection(
        Connection(conn_id="lake", conn_type="aws", login=login, password=password, extra=extra)
    )


def google(**extra: Any) -> ObjectStoreConnection:
    return read_store_connection(
        Connection(conn_id="lake", conn_type="google_cloud_platform", extra=json.dumps(extra) if extra else None)
    )


def s3_of(connection: ObjectStoreConnection) -> S3StoreConnection:
    found = connection.find_credentials().connection
    assert isinstance(found, S3StoreConnection)
    return found


def gcs_of(connection: ObjectStoreConnection) -> GcsStoreConnection:
    found = connection.find_credentials().connection
    assert isinstance(found, GcsStoreConnection)
    return found


def fields_of(connection: ObjectStoreConnection) -> AwsFields:
    assert isinstance(connection.fields, AwsFields)
    return connection.fields


def test_aws_connection_has_the_key_of_login_and_password() -> None:
    connection = aws(region_name="eu-central-1", aws_session_token="token")
    found = s3_of(connection)
    assert (found.user, found.secret, found.region) == ("AKIA", "hidden", "eu-central-1")
    assert found.session_token is not None
    assert found.session_token.get_secret_value() == "token"
    assert connection.store_type is StoreType.S3
    assert connection.uri("b", "day") == "s3://lake@b/day"


@pytest.mark.parametrize(
    "extra",
    [
        {"endpoint_url": "http://minio:9000"},
        {"service_config": {"s3": {"endpoint_url": "http://minio:9000/"}}, "endpoint_url": "http://other"},
        {"service_config": '{"s3": {"endpoint_url": "http://minio:9000"}}'},
        {"host": "http://minio:9000"},
    ],
)
def test_aws_connection_reads_each_spelling_of_its_endpoint(extra: dict[str, Any]) -> None:
    assert fields_of(aws(**extra)).endpoint_url == "http://minio:9000"


def test_aws_connection_reads_addressing_and_requests_without_credentials() -> None:
    options = {"s3": {"addressing_style": "path"}, "signature_version": "unsigned"}
    found = s3_of(aws(None, password=None, config_kwargs=options, endpoint_url="http://minio:9000"))
    assert (found.addressing, found.anonymous, found.user) == ("path", True, "")


def test_aws_connection_reads_a_role_with_its_arguments() -> None:
    role = fields_of(
        aws(role_arn="arn:aws:iam::1:role/r", external_id="x", assume_role_kwargs={"DurationSeconds": 900})
    )
    assert role.role is not None
    assert role.role.method == "assume_role"
    assert json.loads(role.role.arguments) == {"DurationSeconds": 900, "ExternalId": "x"}


@pytest.mark.parametrize(("verify", "expected"), [(None, True), ("false", False), ("/ca.pem", "/ca.pem"), (True, True)])
def test_aws_connection_reads_verify_as_a_flag_or_a_file(verify: Any, expected: bool | str) -> None:
    assert aws(verify=verify).verify == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"login": None}, "access key id \\(login\\) and the secret access key \\(password\\) are needed together"),
        ({"endpoint_url": "http://u:secret-pw@h"}, "endpoint_url in its extra must not carry credentials"),
        ({"endpoint_url": "minio"}, "endpoint_url in its extra must be an http"),
        ({"region_name": 5}, "region_name in its extra must be a text"),
        ({"config_kwargs": "{secret-pw"}, "config_kwargs in its extra is not JSON"),
        ({"config_kwargs": {"s3": {"addressing_style": "x"}}}, "addressing_style in its extra must be one of auto"),
        ({"role_arn": "arn", "assume_role_method": "x"}, "assume_role_method in its extra must be one of"),
    ],
)
def test_aws_connection_refuses_wrong_fields_by_connection_and_field(given: dict[str, Any], why: str) -> None:
    with pytest.raises(NotConfigured, match=f"^Connection 'lake': .*{why}") as refused:
        aws(**given)
    assert "secret-pw" not in str(refused.value)


@pytest.mark.parametrize(
    "extra",
    [
        {"keyfile_dict": KEY},
        {"keyfile_dict": json.dumps(KEY)},
        {"keyfile": json.dumps(KEY)},
        {"extra__google_cloud_platform__keyfile_dict": json.dumps(KEY)},
    ],
)
def test_google_connection_has_the_key_of_each_spelling(extra: dict[str, Any]) -> None:
    connection = google(**extra, project="research")
    found = gcs_of(connection)
    assert found.credentials is not None
    key = json.loads(found.credentials.get_secret_value())
    assert key["client_email"] == KEY["client_email"]
    assert "\n" in key["private_key"]
    assert "\\n" not in key["private_key"]
    assert found.project_id == "research"
    assert connection.store_type is StoreType.GCS
    assert connection.uri("b", "day") == "gs://lake@b/day"


def test_google_connection_without_credentials_is_anonymous_only_if_it_has_that() -> None:
    found = gcs_of(google(is_anonymous=True, endpoint_url="http://127.0.0.1:9023/"))
    assert (found.anonymous, found.url) == (True, "http://127.0.0.1:9023")


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"keyfile_dict": KEY, "key_path": "/k"}, "keyfile_dict and key_path in its extra: only one"),
        (
            {"keyfile_dict": {**KEY, "type": "authorized_user"}},
            "keyfile_dict in its extra must be the key of a service",
        ),
        ({"keyfile_dict": {"type": "service_account"}}, "keyfile_dict in its extra must be the key of a service"),
        ({"keyfile_dict": "{hidden-key"}, "keyfile_dict in its extra is not JSON"),
        ({"is_anonymous": "perhaps"}, "is_anonymous in its extra must be true or false"),
        ({"endpoint_url": "h"}, "endpoint_url in its extra must be an http"),
    ],
)
def test_google_connection_refuses_wrong_fields_by_connection_and_field(extra: dict[str, Any], why: str) -> None:
    with pytest.raises(NotConfigured, match=f"^Connection 'lake': .*{why}") as refused:
        google(**extra)
    assert "hidden-key" not in str(refused.value)


def test_no_repr_contains_a_secret() -> None:
    connection = aws(aws_session_token="hidden", role_arn="arn", assume_role_kwargs={"ExternalId": "hidden"})
    for one in (connection, aws().find_credentials(), google(keyfile_dict=KEY)):
        assert "hidden" not in repr(one)


def test_equal_connections_are_equal_keys() -> None:
    """Waiting tasks of one connection share a store."""
    assert hash(aws(role_arn="arn")) == hash(aws(role_arn="arn"))
    assert google(keyfile_dict=KEY) == google(keyfile_dict=KEY)
    assert aws() != aws(password="changed")


def test_the_end_of_temporary_credentials_is_described() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    connection = s3_of(aws())
    ends = FoundCredentials(connection, now + timedelta(minutes=75), is_temporary=True)
    assert ends.describe_end(now) == "for 1 h 15 min, until 2026-03-01 13:15:00 UTC"
    local = timezone(timedelta(hours=2))
    assert replace(ends, expires=(now + timedelta(minutes=75)).astimezone(local)).describe_end(
        now
    ) == ends.describe_end(now)
    assert FoundCredentials(connection, is_temporary=True).describe_end(now) == "for a time that is not known"
    assert FoundCredentials(connection).describe_end(now) is None


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b/day", True),
        ("s3://b", True),
        ("s3://lake@b/day", True),
        ("s3://other@b/day", False),
        ("s3://c/day", False),
        ("gs://b/day", False),
        ("swift://lake@b/day", False),
    ],
)
def test_asset_of_a_bucket_is_one_of_its_scheme_and_name(uri: str, expected: bool) -> None:
    assert is_asset_of(uri, aws(), "b") is expected
