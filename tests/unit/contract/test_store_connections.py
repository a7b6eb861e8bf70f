"""The connections to object stores: their spellings, their URLs, and their secrets, which no dump has."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_dlaas.contract.store_connections import (
    AWS_ENDPOINT_URL,
    GOOGLE_ENDPOINT_URL,
    MASK,
    REVEAL_SECRETS,
    GcsStoreConnection,
    S3StoreConnection,
    SwiftStoreConnection,
)

SECRET = "the-secret-key"
URL = "https://store.example.org"


@pytest.mark.parametrize(
    ("keys", "url_key"),
    [
        ({"auth_url": URL, "user_name": "AK", "password": SECRET}, "auth_url"),
        ({"auth_url": URL, "userId": "AK", "password": SECRET}, "auth_url"),
        ({"endpoint_url": URL, "access_key_id": "AK", "secret_access_key": SECRET}, "endpoint_url"),
        ({"endpoint_url": URL, "aws_access_key_id": "AK", "aws_secret_access_key": SECRET}, "endpoint_url"),
    ],
)
def test_all_spellings_of_s3_are_one_connection(keys: dict[str, Any], url_key: str) -> None:
    connection = S3StoreConnection.model_validate(keys)
    assert (connection.url, connection.url_key, connection.user, connection.secret) == (URL, url_key, "AK", SECRET)
    assert connection.model_dump(exclude_unset=True, by_alias=True, context=REVEAL_SECRETS) == keys


def test_s3_without_a_url_is_aws() -> None:
    connection = S3StoreConnection.model_validate({"access_key_id": "AK", "secret_access_key": SECRET})
    assert (connection.url, connection.url_key) == (AWS_ENDPOINT_URL, "endpoint_url")


def test_anonymous_connections_have_no_credentials() -> None:
    assert S3StoreConnection(anonymous=True).user == ""
    assert S3StoreConnection(anonymous=True).secret == ""
    assert GcsStoreConnection(anonymous=True).url == GOOGLE_ENDPOINT_URL


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (SwiftStoreConnection, {"auth_url": URL, "userId": "u", "password": SECRET}),
        (S3StoreConnection, {"access_key_id": "AK", "secret_access_key": SECRET, "session_token": SECRET}),
        (S3StoreConnection, {"user_name": "AK", "password": SECRET}),
        (S3StoreConnection, {"aws_access_key_id": "AK", "aws_secret_access_key": SECRET}),
        (GcsStoreConnection, {"credentials": SECRET}),
        (GcsStoreConnection, {"access_token": SECRET}),
    ],
)
def test_secrets_are_masked_in_every_text_of_a_connection(model: Any, keys: dict[str, Any]) -> None:
    connection = model.model_validate(keys)
    for text in (repr(connection), str(connection), connection.model_dump_json(), str(connection.model_dump())):
        assert SECRET not in text
    assert MASK in connection.model_dump_json()
    assert SECRET in connection.model_dump_json(context=REVEAL_SECRETS)


@pytest.mark.parametrize(
    ("model", "keys", "message"),
    [
        (S3StoreConnection, {"endpoint_url": URL, "auth_url": URL, "anonymous": True}, "have the same meaning"),
        (S3StoreConnection, {"anonymous": True, "access_key_id": "AK"}, "must have no keys if anonymous is true"),
        (S3StoreConnection, {"anonymous": True, "session_token": SECRET}, "must have no keys if anonymous is true"),
        (S3StoreConnection, {}, "access_key_id is missing"),
        (S3StoreConnection, {"user_name": "AK"}, "secret_access_key is missing"),
        (S3StoreConnection, {"user_name": "AK", "userId": "AK", "password": SECRET}, "is given more than once"),
        (S3StoreConnection, {"access_key_id": "AK", "password": SECRET, "secret_access_key": SECRET}, "more than once"),
        (S3StoreConnection, {"anonymous": True, "addressing": "dns"}, "'auto', 'path' or 'virtual'"),
        (GcsStoreConnection, {}, "must have exactly one of credentials"),
        (GcsStoreConnection, {"credentials": SECRET, "access_token": SECRET}, "must have exactly one of credentials"),
        (GcsStoreConnection, {"anonymous": True, "endpoint_url": "storage"}, "must be an http:// or https:// URL"),
        (S3StoreConnection, {"anonymous": True, "endpoint_url": f"https://u:{SECRET}@s"}, "must not carry credentials"),
    ],
)
def test_incomplete_or_contradictory_connection_is_refused(model: Any, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        model.model_validate(keys)
    errors = raised.value.errors(include_input=False, include_url=False)
    assert message in str(errors)
    assert SECRET not in str(errors)


@pytest.mark.parametrize("model", [SwiftStoreConnection, S3StoreConnection, GcsStoreConnection])
def test_null_is_a_missing_key_and_an_unknown_key_is_refused(model: Any) -> None:
    keys = {"auth_url": URL, "userId": "u", "password": SECRET}
    known: dict[str, Any] = {"anonymous": True} if model is GcsStoreConnection else keys
    nulls = dict.fromkeys(set(model.model_fields) - {"user_id"} - set(known))
    assert model.model_validate(known | nulls) == model.model_validate(known)
    with pytest.raises(ValidationError, match="secret_key"):
        model.model_validate(known | {"secret_key": None})
