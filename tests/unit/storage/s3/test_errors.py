from __future__ import annotations

from http.client import HTTPMessage

import pytest

from airflow_dlaas import exceptions
from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.s3.errors import ConnectionKeys, error_in_success, response_error

CONNECTION = S3StoreConnection.model_validate(
    {"auth_url": "http://h", "aws_access_key_id": "AKID", "password": "s3cret-key", "session_token": "t0ken"}
)
KEYS = ConnectionKeys.of(CONNECTION)


def error_for(status: int, code: str = "", name: str | None = "a") -> exceptions.StoreError:
    body = f"<Error><Code>{code}</Code><Message>AKID s3cret-key</Message></Error>".encode() if code else b""
    return response_error(
        HttpResponseError("GET", "http://h", status, "Reason", HTTPMessage(), body), KEYS, "box", name
    )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchBucket", exceptions.ContainerNotFound),
        (404, "NoSuchKey", exceptions.ObjectNotFound),
        (404, "", exceptions.ObjectNotFound),
        (403, "AccessDenied", exceptions.StoreRefused),
        (403, "", exceptions.StoreRefused),
        (401, "", exceptions.StoreRefused),
        (403, "RequestTimeTooSkewed", exceptions.StoreRefused),
        (400, "ExpiredToken", exceptions.StoreRefused),
        (409, "BucketAlreadyExists", exceptions.StoreRefused),
        (400, "BadDigest", exceptions.Corrupted),
        (400, "InvalidPart", exceptions.Corrupted),
        (400, "EntityTooLarge", exceptions.StoreFull),
        (413, "", exceptions.StoreFull),
        (507, "XMinioStorageFull", exceptions.StoreFull),
        (403, "QuotaExceeded", exceptions.StoreFull),
        (503, "SlowDown", exceptions.StoreUnreachable),
        (500, "InternalError", exceptions.StoreUnreachable),
        (400, "RequestTimeout", exceptions.StoreUnreachable),
        (429, "", exceptions.StoreUnreachable),
        (502, "", exceptions.StoreUnreachable),
        (409, "OperationAborted", exceptions.StoreUnreachable),
    ],
)
def test_each_code_has_its_error(status: int, code: str, kind: type[exceptions.StoreError]):
    error = error_for(status, code)
    assert type(error) is kind
    assert "http://h" in str(error)


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (409, "BucketNotEmpty"), (400, "MalformedXML")])
def test_what_no_retry_changes_is_not_transient(status: int, code: str):
    assert type(error_for(status, code)) is exceptions.StoreError
    assert code in str(error_for(status, code))


def test_missing_container_is_known_by_its_status():
    assert type(error_for(404, name=None)) is exceptions.ContainerNotFound


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("InvalidAccessKeyId", "aws_access_key_id"),
        ("SignatureDoesNotMatch", "password"),
        ("ExpiredToken", "session_token"),
        ("InvalidToken", "session_token"),
    ],
)
def test_refusal_names_the_field_as_the_connection_spells_it_and_no_secret(code: str, field: str):
    message = str(error_for(403, code))
    assert field in message
    assert "s3cret-key" not in message
    assert "t0ken" not in message


@pytest.mark.parametrize(("code", "kind"), [("InternalError", "StoreUnreachable"), ("AccessDenied", "StoreRefused")])
def test_error_in_the_body_of_a_success_is_an_error(code: str, kind: str):
    body = f" \n<Error><Code>{code}</Code></Error>".encode()
    found = error_in_success("POST", "http://h", HTTPMessage(), body)
    assert found is not None
    assert type(response_error(found, KEYS, "box", "a")).__name__ == kind
    assert error_in_success("POST", "http://h", HTTPMessage(), b"<CopyObjectResult/>") is None
