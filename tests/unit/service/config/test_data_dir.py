"""The home folder."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.config.data_dir import DataDir, airflow_connections, resolve_connection


@pytest.fixture
def home(tmp_path):
    home = DataDir(tmp_path / "home")
    home.create()
    return home


def test_the_home_folder_is_its_owner_s_only(home):
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_both_files_with_secrets_are_their_owner_s_only(home):
    home.save(home.load_or_create_credentials("dlaas", None))
    for path in (home.credentials_file, home.connections_file):
        assert path.stat().st_mode & 0o777 == 0o600


def test_credentials_made_at_the_first_start_are_kept(home):
    first = home.load_or_create_credentials("dlaas", None)
    home.save(first)
    assert home.load_or_create_credentials("dlaas", None) == first
    assert len({first.password, first.token_key, first.swift_key}) == 3


def test_a_password_that_was_given_wins_and_the_keys_stay(home):
    home.save(first := home.load_or_create_credentials("dlaas", None))
    assert home.load_or_create_credentials("ada", "hush") == replace(first, user="ada", password="hush")


def test_no_secret_is_in_the_repr(home):
    made = home.load_or_create_credentials("dlaas", None)
    for secret in (made.password, made.token_key, made.swift_key):
        assert secret not in repr(made)


def test_damaged_credentials_are_said_to_be_damaged_without_showing_them(home):
    home.credentials_file.write_text('{"user": "dlaas", "password": "hush"')
    with pytest.raises(NotConfigured, match="damaged") as caught:
        home.load_or_create_credentials("dlaas", None)
    assert caught.value.__cause__ is None
    assert "hush" not in str(caught.value)


def test_two_services_do_not_share_a_home(home):
    with home.lock(), pytest.raises(HostError, match=r"Another .*pid \d+.*DLAAS_HOME"), home.lock():
        pass
    with home.lock():
        pass


def test_airflow_can_import_the_connections(home):
    made = replace(
        home.load_or_create_credentials("dlaas", "hush"),
        url="http://127.0.0.1:8480",
        auth_url="http://127.0.0.1:8481/auth/v1.0",
    )
    home.save(made)
    assert json.loads(home.connections_file.read_text()) == {
        "dlaas_default": {
            "conn_type": "dlaas",
            "host": "http://127.0.0.1:8480",
            "login": "dlaas",
            "password": "hush",
        },
        "swift_default": {
            "conn_type": "swift",
            "host": "http://127.0.0.1:8481/auth/v1.0",
            "login": "dlaas:trainer",
            "password": made.swift_key,
        },
    }


def test_airflow_is_told_whose_certificates_to_trust(home):
    made = replace(
        home.load_or_create_credentials("dlaas", None), auth_url="https://h:8481/auth/v1.0", ca_file="/etc/dlaas/ca.pem"
    )
    assert {one["extra"] for one in airflow_connections(made).values()} == {'{"ca_file": "/etc/dlaas/ca.pem"}'}


def test_a_client_trusts_whom_the_service_s_home_names_unless_told_otherwise(home):
    home.save(
        replace(home.load_or_create_credentials("dlaas", None), url="https://h:8480", ca_file="/etc/dlaas/ca.pem")
    )
    assert resolve_connection(home, {}).verify == "/etc/dlaas/ca.pem"
    assert resolve_connection(home, {"tls_ca": "/mine.pem"}).verify == "/mine.pem"
    assert resolve_connection(home, {"url": "https://h:1", "user": "u", "password": "p"}).verify is True


def test_credentials_of_an_older_service_are_read(home):
    home.save(kept := home.load_or_create_credentials("dlaas", None))
    older = json.loads(home.credentials_file.read_text())
    del older["ca_file"]
    home.credentials_file.write_text(json.dumps(older))
    assert home.load_or_create_credentials("dlaas", None) == kept


def test_without_an_embedded_store_no_connection_to_one_is_offered(home):
    assert "swift_default" not in airflow_connections(home.load_or_create_credentials("dlaas", None))


def test_a_client_finds_the_service_of_its_home(home):
    home.save(replace(home.load_or_create_credentials("dlaas", "hush"), url="http://127.0.0.1:8480"))
    found = resolve_connection(home, {})
    assert (found.url, found.user, found.password) == ("http://127.0.0.1:8480", "dlaas", "hush")


def test_a_client_told_everything_needs_no_home(tmp_path):
    found = resolve_connection(DataDir(tmp_path / "nowhere"), {"url": "http://h:1/", "user": "u", "password": "p"})
    assert (found.url, found.user, found.password) == ("http://h:1", "u", "p")


def test_a_foreign_service_is_not_shown_our_password(home):
    home.save(replace(home.load_or_create_credentials("dlaas", "hush"), url="http://127.0.0.1:8480"))
    with pytest.raises(NotConfigured, match="DLAAS_PASSWORD"):
        resolve_connection(home, {"url": "http://elsewhere:8480"})


def test_a_client_without_a_service_is_told_what_to_do(tmp_path):
    with pytest.raises(NotConfigured, match="airflow-dlaas serve"):
        resolve_connection(DataDir(tmp_path / "nowhere"), {})
