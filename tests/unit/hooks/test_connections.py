"""Tests of the fields of Airflow connections."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection

from airflow_dlaas.contract.stores import StoreType, SwiftStoreConnection
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.hooks.connections import ServiceConnection
from airflow_dlaas.hooks.store_connections.airflow_connection import ObjectStoreConnection, read_store_connection

KEYSTONE = '{"project_id": "p", "region": "r", "domain_name": "d"}'


def dlaas(**fields: object) -> Connection:
    given = {"host": "https://dlaas.example.org/", "login": "ann", "password": "hidden"} | fields
    return Connection(conn_id="c", conn_type="dlaas", **given)  # type: ignore[arg-type]


def swift(**fields: object) -> Connection:
    given = {"host": "http://s.example.org/auth/v1.0", "login": "a:b", "password": "hidden"} | fields
    return Connection(conn_id="c", conn_type="swift", **given)  # type: ignore[arg-type]


def test_connection_url_keeps_a_complete_url() -> None:
    assert ServiceConnection.from_connection(dlaas()).url == "https://dlaas.example.org"


def test_connection_url_adds_scheme_and_port_to_a_host() -> None:
    assert ServiceConnection.from_connection(dlaas(host="h", port=8480)).url == "http://h:8480"
    assert ServiceConnection.from_connection(dlaas(host="h", schema="https")).url == "https://h"


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("http://u:pw@h:9200", "http://h:9200"),
        ("http://u:pw@h:9200/", "http://h:9200"),
        ("http://u:pw@h:9200/path", "http://h:9200/path"),
        ("https://u:pw@h:9200/a/b", "https://h:9200/a/b"),
        ("https://u:pw@h", "https://h"),
        ("u:pw@h:9200", "http://h:9200"),
        ("u:pw@h:9200/a/b", "http://h:9200/a/b"),
        ("u:pw@h:9200/https", "https://h:9200"),
        ("u:pw@https%3A%2F%2Fh%3A9200%2Fa", "https://h:9200/a"),
        ("u:pw@h/v3?verify=false", "http://h/v3"),
        ("http://u:pw@h:9200/v3?ca_file=x", "http://h:9200/v3"),
        ("u:pw@[::1]:9200/a", "http://[::1]:9200/a"),
        ("http://u:pw@[::1]:9200/a", "http://[::1]:9200/a"),
    ],
)
def test_connection_url_reads_every_form_of_a_connection_uri(uri: str, url: str) -> None:
    """The same for both types, and after a round trip through the URI and the JSON of the connection."""
    for kind in ("dlaas", "swift"):
        first = Connection.from_uri(f"{kind}://{uri}", "c")
        for one in (
            first,
            Connection.from_uri(first.get_uri(), "c"),
            Connection.from_json(first.as_json(), "c"),
        ):
            assert address(one) == url


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"host": "http://h", "port": 9200}, "http://h:9200"),
        ({"host": "https://h/", "port": "9200", "schema": "a/b"}, "https://h:9200/a/b"),
        ({"host": "http://h/a", "port": 9200}, "http://h:9200/a"),
        ({"host": "http://h:9200/a", "port": 9200, "schema": "/a"}, "http://h:9200/a"),
        ({"host": "http://h:9200", "port": 0, "schema": ""}, "http://h:9200"),
        ({"host": "https://h/a", "port": 443}, "https://h/a"),
        ({"host": "http://h", "port": 443}, "http://h:443"),
        ({"host": "https://h:443", "port": 443}, "https://h:443"),
        ({"host": "h:9200", "schema": "HTTPS"}, "https://h:9200"),
        ({"host": " h/a ", "port": 9200, "schema": "https"}, "https://h:9200/a"),
        ({"host": "::1", "port": 9200}, "http://[::1]:9200"),
        ({"host": "http://[::1]:9200/a/"}, "http://[::1]:9200/a"),
    ],
)
def test_connection_url_reads_every_form_of_a_connection_in_json(fields: dict[str, object], url: str) -> None:
    for kind in ("dlaas", "swift"):
        given = {"conn_type": kind, "login": "u", "password": "pw", **fields}
        assert address(Connection.from_json(json.dumps(given), "c")) == url


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"host": "http://h:9200", "port": 9300}, "the URL .* and port name two different ports"),
        ({"host": "http://h", "schema": "https"}, "the URL .* and schema name two different schemes"),
        ({"host": "http://h/a", "schema": "b"}, "the URL .* and schema name two different paths"),
        ({"host": "http://u:secret-pw@h"}, "must not contain credentials"),
        ({"host": "u:secret-pw@h"}, "must not contain credentials"),
        ({"host": "ftp://h"}, "must begin with http"),
        ({"host": "http://h:99999"}, "must begin with http"),
        ({"host": "http://"}, "must begin with http"),
        ({"host": "http://h:9200/base?x=secret-pw"}, r"the URL \(host\) must end with the path.* extra"),
        ({"host": "http://h:9200/base#secret-pw"}, r"the URL \(host\) must end with the path"),
        ({"host": "http://h?next=http://secret-pw"}, r"the URL \(host\) must end with the path"),
        ({"host": "h:9200?secret-pw", "schema": "base"}, r"the URL \(host\) must end with the path"),
        ({"host": "http://h/base?"}, r"the URL \(host\) must end with the path"),
        ({"host": "h", "schema": "base?x=secret-pw"}, "the schema must end with the path.* extra"),
        ({"host": "http://h:9200", "schema": "#secret-pw"}, "the schema must end with the path"),
    ],
)
def test_connection_url_refuses_contradictions_by_connection_and_field(fields: dict[str, object], why: str) -> None:
    for kind in ("dlaas", "swift"):
        given = {"conn_type": kind, "login": "u", "password": "secret-pw", **fields}
        with pytest.raises(NotConfigured, match=f"^Connection 'c': .*{why}") as refused:
            address(Connection.from_json(json.dumps(given), "c"))
        assert "secret-pw" not in str(refused.value)


@pytest.mark.parametrize("found", ["http", "postgres", "swift", "dlaas", "", None])
def test_connection_of_another_type_is_refused(found: str | None) -> None:
    readers = {"dlaas": ServiceConnection.from_connection, "swift": read_swift}
    for expected, read in readers.items():
        if found == expected:
            continue
        other = Connection(conn_id="c", conn_type=found, host="http://h", login="u", password="secret-pw")
        is_of = f"is of type {found!r}" if found else "has no type"
        with pytest.raises(NotConfigured, match=f"Connection 'c' {is_of}, but must be of type {expected!r}") as refused:
            read(other)
        assert "secret-pw" not in str(refused.value)


def read_swift(connection: Connection) -> ObjectStoreConnection:
    return read_store_connection(connection, ("swift",))


def swift_credentials(connection: Connection) -> SwiftStoreConnection:
    found = read_swift(connection).find_credentials().connection
    assert isinstance(found, SwiftStoreConnection)
    return found


def address(connection: Connection) -> str:
    """Return the address to which the password of *connection* would be sent."""
    if connection.conn_type == "swift":
        return swift_credentials(connection).auth_url
    return ServiceConnection.from_connection(connection).url


def test_swift_connection_keeps_the_path_of_its_auth_url() -> None:
    connection = swift_credentials(swift(host="127.0.0.1", port=8481, schema="auth/v1.0"))
    assert connection.auth_url == "http://127.0.0.1:8481/auth/v1.0"


@pytest.mark.parametrize("missing", ["host", "login", "password"])
def test_from_connection_requires_host_login_and_password(missing: str) -> None:
    with pytest.raises(NotConfigured, match="'c'"):
        ServiceConnection.from_connection(dlaas(**{missing: None}))
    with pytest.raises(NotConfigured, match="'c'"):
        read_swift(swift(**{missing: None}))


def test_connection_repr_hides_the_password() -> None:
    assert "hidden" not in repr(ServiceConnection.from_connection(dlaas()))
    assert "hidden" not in repr(read_swift(swift()))


def test_swift_connection_store_type_follows_from_the_keystone_fields() -> None:
    assert read_swift(swift()).store_type is StoreType.SOFTLAYER
    assert read_swift(swift(extra=KEYSTONE)).store_type is StoreType.BLUEMIX


def test_swift_connection_refuses_incomplete_keystone_fields() -> None:
    with pytest.raises(NotConfigured, match="region and domain_name missing"):
        read_swift(swift(extra='{"project_id": "p"}'))


def test_verify_is_true_by_default_and_can_be_a_ca_file() -> None:
    assert ServiceConnection.from_connection(dlaas()).verify is True
    assert ServiceConnection.from_connection(dlaas(extra='{"verify": false}')).verify is False
    assert ServiceConnection.from_connection(dlaas(extra='{"verify": null, "ca_file": "/ca.pem"}')).verify == "/ca.pem"
    assert ServiceConnection.from_connection(Connection.from_uri("dlaas://u:p@h?verify=False", "c")).verify is False
    with pytest.raises(NotConfigured, match="verify"):
        ServiceConnection.from_connection(dlaas(extra='{"verify": "no"}'))


def test_tensorboard_url_must_be_http_without_credentials() -> None:
    connection = ServiceConnection.from_connection(
        dlaas(extra='{"tensorboard_url": "https://tb.example.org/?run={training_id}"}')
    )
    assert connection.tensorboard_url == "https://tb.example.org/?run={training_id}"
    for wrong in ("tb.example.org", "javascript:alert(1)", "http://[tb", "https://u:p@tb.example.org"):
        with pytest.raises(NotConfigured, match="tensorboard_url must be an http") as raised:
            ServiceConnection.from_connection(dlaas(extra=json.dumps({"tensorboard_url": wrong})))
        assert wrong not in str(raised.value)
