"""The data directory: credentials, lock, connections."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.data_dir import DataDir, airflow_connections, resolve_connection


@pytest.fixture
def data_dir(tmp_path):
    data_dir = DataDir(tmp_path / "home")
    data_dir.create()
    return data_dir


def test_data_directory_is_accessible_to_its_owner_only(data_dir):
    assert data_dir.path.stat().st_mode & 0o777 == 0o700


def test_credential_files_are_readable_by_their_owner_only(data_dir):
    data_dir.save(data_dir.load_or_create_credentials("dlaas", None))
    for path in (data_dir.credentials_file, data_dir.connections_file):
        assert path.stat().st_mode & 0o777 == 0o600


def test_generated_credentials_are_kept(data_dir):
    first = data_dir.load_or_create_credentials("dlaas", None)
    data_dir.save(first)
    assert data_dir.load_or_create_credentials("dlaas", None) == first
    assert len({first.password, first.token_key, first.swift_key}) == 3


def test_configured_password_replaces_the_stored_one_and_keys_stay(data_dir):
    data_dir.save(first := data_dir.load_or_create_credentials("dlaas", None))
    assert data_dir.load_or_create_credentials("ada", "hush") == replace(first, user="ada", password="hush")


def test_repr_contains_no_secret(data_dir):
    made = data_dir.load_or_create_credentials("dlaas", None)
    for secret in (made.password, made.token_key, made.swift_key):
        assert secret not in repr(made)


def test_damaged_credentials_are_reported_without_their_content(data_dir):
    data_dir.credentials_file.write_text('{"user": "dlaas", "password": "hush"')
    with pytest.raises(NotConfigured, match="damaged") as caught:
        data_dir.load_or_create_credentials("dlaas", None)
    assert caught.value.__cause__ is None
    assert "hush" not in str(caught.value)


def test_data_directory_is_locked_by_one_service(data_dir):
    with data_dir.lock(), pytest.raises(HostError, match=r"Another .*pid \d+.*DLAAS_HOME"), data_dir.lock():
        pass
    with data_dir.lock():
        pass


def test_connections_file_can_be_imported_by_airflow(data_dir):
    made = replace(
        data_dir.load_or_create_credentials("dlaas", "hush"),
        url="http://127.0.0.1:8480",
        auth_url="http://127.0.0.1:8481/auth/v1.0",
    )
    data_dir.save(made)
    assert json.loads(data_dir.connections_file.read_text()) == {
        "dlaas_default": {
            "conn_type": "dlaas",
            "host": "http://127.0.0.1:8480",
            "port": 8480,
            "login": "dlaas",
            "password": "hush",
        },
        "swift_default": {
            "conn_type": "swift",
            "host": "http://127.0.0.1:8481/auth/v1.0",
            "port": 8481,
            "login": "dlaas:trainer",
            "password": made.swift_key,
        },
        "dlaas_s3": {
            "conn_type": "aws",
            "login": "dlaas:trainer",
            "password": made.swift_key,
            "extra": '{"endpoint_url": "http://127.0.0.1:8481", "region_name": "us-east-1"}',
        },
    }


def test_connections_name_the_ca_file(data_dir):
    made = replace(
        data_dir.load_or_create_credentials("dlaas", None),
        auth_url="https://h:8481/auth/v1.0",
        ca_file="/etc/dlaas/ca.pem",
    )
    connections = airflow_connections(made)
    assert json.loads(connections.pop("dlaas_s3")["extra"]) == {
        "endpoint_url": "https://h:8481",
        "region_name": "us-east-1",
        "verify": "/etc/dlaas/ca.pem",
    }
    assert {one["extra"] for one in connections.values()} == {'{"ca_file": "/etc/dlaas/ca.pem"}'}


def test_client_trusts_the_stored_ca_file_unless_configured_otherwise(data_dir):
    data_dir.save(
        replace(data_dir.load_or_create_credentials("dlaas", None), url="https://h:8480", ca_file="/etc/dlaas/ca.pem")
    )
    assert resolve_connection(data_dir, {}).verify == "/etc/dlaas/ca.pem"
    assert resolve_connection(data_dir, {"tls_ca": "/mine.pem"}).verify == "/mine.pem"
    assert resolve_connection(data_dir, {"url": "https://h:1", "user": "u", "password": "p"}).verify is True


def test_credentials_without_a_ca_file_are_read(data_dir):
    data_dir.save(kept := data_dir.load_or_create_credentials("dlaas", None))
    older = json.loads(data_dir.credentials_file.read_text())
    del older["ca_file"]
    data_dir.credentials_file.write_text(json.dumps(older))
    assert data_dir.load_or_create_credentials("dlaas", None) == kept


def test_connections_have_no_store_without_an_embedded_one(data_dir):
    assert set(airflow_connections(data_dir.load_or_create_credentials("dlaas", None))) == {"dlaas_default"}


def test_client_uses_the_stored_credentials(data_dir):
    data_dir.save(replace(data_dir.load_or_create_credentials("dlaas", "hush"), url="http://127.0.0.1:8480"))
    found = resolve_connection(data_dir, {})
    assert (found.url, found.user, found.password) == ("http://127.0.0.1:8480", "dlaas", "hush")


def test_client_with_complete_settings_needs_no_data_directory(tmp_path):
    found = resolve_connection(DataDir(tmp_path / "nowhere"), {"url": "http://h:1/", "user": "u", "password": "p"})
    assert (found.url, found.user, found.password) == ("http://h:1", "u", "p")


def test_stored_password_is_not_sent_to_another_service(data_dir):
    data_dir.save(replace(data_dir.load_or_create_credentials("dlaas", "hush"), url="http://127.0.0.1:8480"))
    with pytest.raises(NotConfigured, match="DLAAS_PASSWORD"):
        resolve_connection(data_dir, {"url": "http://elsewhere:8480"})


def test_client_without_credentials_gets_a_hint(tmp_path):
    with pytest.raises(NotConfigured, match="airflow-dlaas serve"):
        resolve_connection(DataDir(tmp_path / "nowhere"), {})
