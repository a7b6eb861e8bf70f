"""Connections of Airflow and variables, as a definition has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas.cli.connection_options import StoreAccess
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.cli.store_entries import entry_from_file, entry_from_variables, has_store_variables
from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.exceptions import NotConfigured

SECRET = "the-secret-key"
SWIFT = {"conn_type": "swift", "host": "http://s/auth", "login": "u", "password": SECRET}
AWS = {"conn_type": "aws", "login": "AK", "password": SECRET}
KEYSTONE = {"project_id": "p", "region": "r", "domain_name": "d"}
GOOGLE = {"conn_type": "google_cloud_platform"}


@pytest.mark.parametrize(
    ("entry", "extra", "store_type", "connection"),
    [
        (SWIFT, {}, "softlayer_objectstore", {"auth_url": "http://s/auth", "userId": "u", "password": SECRET}),
        (
            SWIFT,
            KEYSTONE,
            "bluemix_objectstore",
            {"auth_url": "http://s/auth", "userId": "u", "password": SECRET, **KEYSTONE},
        ),
        (AWS, {}, "s3", {"access_key_id": "AK", "secret_access_key": SECRET}),
        (
            AWS,
            {
                "region_name": "eu",
                "aws_session_token": "t",
                "endpoint_url": "https://s3",
                "config_kwargs": {"s3": {"addressing_style": "path"}},
            },
            "s3",
            {
                "access_key_id": "AK",
                "secret_access_key": SECRET,
                "region": "eu",
                "session_token": "t",
                "endpoint_url": "https://s3",
                "addressing": "path",
            },
        ),
        ({"conn_type": "aws"}, {"config_kwargs": {"signature_version": "unsigned"}}, "s3", {"anonymous": True}),
        (
            GOOGLE,
            {"keyfile_dict": {"a": 1}, "project": "p"},
            "google_cloud_storage",
            {"credentials": '{"a": 1}', "project_id": "p"},
        ),
        (GOOGLE, {"extra__google_cloud_platform__keyfile_dict": "{}"}, "google_cloud_storage", {"credentials": "{}"}),
        (GOOGLE, {"is_anonymous": True}, "google_cloud_storage", {"anonymous": True}),
    ],
)  # fmt: skip
def test_connection_of_airflow_is_one_of_a_definition(
    entry: dict[str, Any], extra: dict[str, Any], store_type: str, connection: dict[str, Any]
) -> None:
    for written in (extra, json.dumps(extra)):
        found = entry_from_file({**entry, "extra": written}, "connections.json, x")
        assert (found.store_type, found.connection) == (StoreType(store_type), connection)
        assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**AWS, "password": None}, "password is missing"),
        ({"conn_type": "aws"}, "login and password is missing"),
        ({**AWS, "extra": {"region_name": 7}}, "region_name in extra is no text"),
        ({**AWS, "extra": "["}, "extra is not a JSON object"),
        ({**AWS, "extra": "[]"}, "extra is not a JSON object"),
        (GOOGLE, "keyfile_dict or key_path is missing"),
        ({**GOOGLE, "extra": {"key_path": "/none.json"}}, "key_path: /none.json cannot be read: No such file"),
    ],
)
def test_incomplete_connection_is_refused_by_its_field(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(NotConfigured) as raised:
        entry_from_file(entry, "connections.json, x")
    assert str(raised.value).startswith("connections.json, x: ")
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)


def test_variables_are_those_of_the_tools_of_each_store(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text("{}")
    aws = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu"}
    found = entry_from_variables("aws", aws)
    assert found.connection == {"access_key_id": "AK", "secret_access_key": SECRET, "region": "eu"}
    google = entry_from_variables("google_cloud_platform", {"GOOGLE_APPLICATION_CREDENTIALS": str(key)})
    assert (google.store_type, google.connection) == (StoreType.GCS, {"credentials": "{}"})
    assert not has_store_variables("aws", {"AWS_REGION": "eu"})
    with pytest.raises(NotConfigured, match="AWS_SECRET_ACCESS_KEY must be set too"):
        entry_from_variables("aws", {"AWS_ACCESS_KEY_ID": "AK"})


def test_invalid_connection_names_its_place_and_no_value() -> None:
    access = StoreAccess({"access_key_id": "AK", "addressing": SECRET}, True, "connections.json, x", StoreType.S3)
    message = r"\(connections.json, x\) is invalid: .*addressing"
    with pytest.raises(NotConfigured, match=message) as raised, open_store(access):
        pass
    assert SECRET not in str(raised.value)
