"""What a connection means."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection

from airflow_dlaas.contract.stores import StoreType
from airflow_dlaas.errors import NotConfigured
from airflow_dlaas.hooks.access import ServiceAccess, StoreAccess

KEYSTONE = '{"project_id": "p", "region": "r", "domain_name": "d"}'


def dlaas(**fields: object) -> Connection:
    given = {"host": "https://dlaas.example.org/", "login": "ann", "password": "hidden"} | fields
    return Connection(conn_id="c", conn_type="dlaas", **given)  # type: ignore[arg-type]


def swift(**fields: object) -> Connection:
    given = {"host": "http://s.example.org/auth/v1.0", "login": "a:b", "password": "hidden"} | fields
    return Connection(conn_id="c", conn_type="swift", **given)  # type: ignore[arg-type]


def test_the_url_is_taken_as_it_was_given() -> None:
    assert ServiceAccess.from_connection(dlaas()).url == "https://dlaas.example.org"


def test_a_bare_host_gets_scheme_and_port() -> None:
    assert ServiceAccess.from_connection(dlaas(host="h", port=8480)).url == "http://h:8480"
    assert ServiceAccess.from_connection(dlaas(host="h", schema="https")).url == "https://h"


def test_a_connection_uri_of_a_store_keeps_its_path() -> None:
    access = StoreAccess.from_connection(swift(host="127.0.0.1", port=8481, schema="auth/v1.0"))
    assert access.connection.auth_url == "http://127.0.0.1:8481/auth/v1.0"


@pytest.mark.parametrize("missing", ["host", "login", "password"])
def test_half_a_connection_is_refused_by_its_name(missing: str) -> None:
    with pytest.raises(NotConfigured, match="'c'"):
        ServiceAccess.from_connection(dlaas(**{missing: None}))
    with pytest.raises(NotConfigured, match="'c'"):
        StoreAccess.from_connection(swift(**{missing: None}))


def test_a_secret_is_in_no_repr() -> None:
    assert "hidden" not in repr(ServiceAccess.from_connection(dlaas()))
    assert "hidden" not in repr(StoreAccess.from_connection(swift()))


def test_the_kind_of_store_follows_from_the_fields() -> None:
    assert StoreAccess.from_connection(swift()).type is StoreType.SOFTLAYER
    assert StoreAccess.from_connection(swift(extra=KEYSTONE)).type is StoreType.BLUEMIX


def test_half_of_keystone_is_refused() -> None:
    with pytest.raises(NotConfigured, match="region and domain_name missing"):
        StoreAccess.from_connection(swift(extra='{"project_id": "p"}'))


def test_tls_is_verified_unless_told_otherwise() -> None:
    assert ServiceAccess.from_connection(dlaas()).verify is True
    assert ServiceAccess.from_connection(dlaas(extra='{"verify": false}')).verify is False
    assert ServiceAccess.from_connection(dlaas(extra='{"verify": null, "ca_file": "/ca.pem"}')).verify == "/ca.pem"
    with pytest.raises(NotConfigured, match="verify"):
        ServiceAccess.from_connection(dlaas(extra='{"verify": "no"}'))


def test_a_tensorboard_is_an_address_without_a_user() -> None:
    known = ServiceAccess.from_connection(
        dlaas(extra='{"tensorboard_url": "https://tb.example.org/?run={training_id}"}')
    )
    assert known.tensorboard_url == "https://tb.example.org/?run={training_id}"
    for wrong in ("tb.example.org", "javascript:alert(1)", "http://[tb", "https://u:p@tb.example.org"):
        with pytest.raises(NotConfigured, match="tensorboard_url must be an http") as raised:
            ServiceAccess.from_connection(dlaas(extra=json.dumps({"tensorboard_url": wrong})))
        assert wrong not in str(raised.value)
