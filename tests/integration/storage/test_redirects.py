"""What carries a credential follows no redirect: logins, and every request with a token."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRedirected
from airflow_dlaas.storage.body import as_body
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.integration.storage.test_trouble import Troubled
from tests.redirector import STATUSES, Server, serving

SECRET = "p4ssw0rd-of-the-tests"


def opened(connection: StoreConnection) -> SwiftStore:
    return SwiftStore.open(connection, retry_policy=NO_RETRY)


def at(connection: StoreConnection, url: str) -> StoreConnection:
    """The same connection with its login at *url*."""
    return connection.model_copy(update={"auth_url": url + urlsplit(connection.auth_url).path})


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(params=["swift", "keystone"])
def login(request: pytest.FixtureRequest) -> StoreConnection:
    """The way into the real Swift, and into the real Keystone: a login that is redirected there would succeed."""
    found: StoreConnection = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("status", STATUSES)
def test_a_login_is_not_redirected_to_another_port(login: StoreConnection, status: int) -> None:
    with (
        serving(Server(target=origin(login.auth_url), status=status)) as asked,
        opened(at(login, asked.url)) as store,
        pytest.raises(StoreRedirected) as caught,
    ):
        store.list_containers()
    assert len(asked.asked) == 1
    said = str(caught.value)
    assert asked.url in said
    assert login.auth_url in said
    assert f"({status})" in said
    assert "auth_url" in said
    assert login.password.get_secret_value() not in said
    assert not caught.value.transient


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("there", ["127.0.0.2", "localhost", "127.0.0.1"], ids=["address", "name", "port"])
def test_nothing_of_a_login_reaches_the_host_redirected_to(login: StoreConnection, status: int, there: str) -> None:
    host = "127.0.0.2" if there == "127.0.0.2" else "127.0.0.1"
    with serving(Server(host)) as thief:
        target = f"http://{there}:{thief.server_port}"
        with (
            serving(Server(target=target, status=status)) as asked,
            opened(at(login, asked.url)) as store,
            pytest.raises(StoreRedirected, match=target),
        ):
            store.check("box")
        assert thief.asked == []
        assert len(asked.asked) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_a_login_is_not_redirected_to_another_path_of_its_host(login: StoreConnection, status: int) -> None:
    with serving(Server(status=status, target="/elsewhere")) as asked, opened(at(login, asked.url)) as store:
        with pytest.raises(StoreRedirected, match=f"{asked.url}/elsewhere"):
            store.check("box")
        assert len(asked.asked) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_the_error_shows_no_more_of_the_address_than_is_needed(
    login: StoreConnection, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Users and queries of addresses are secrets, often."""
    caplog.set_level(logging.DEBUG)
    server = Server(status=status, target="http://user:s3cret-user@127.0.0.1:9/sso?ticket=s3cret-ticket#s3cret&x=")
    with serving(server) as asked, opened(at(login, asked.url)) as store:
        with pytest.raises(StoreRedirected, match=r"http://127\.0\.0\.1:9\b") as caught:
            store.check("box")
        for hidden in ("s3cret", login.password.get_secret_value()):
            assert hidden not in str(caught.value)
            assert login.password.get_secret_value() not in caplog.text


@pytest.mark.parametrize("location", ["http://[", "http://exa mple/", "//", "ftp://x/", "\x00", "http://é/", ""])
def test_a_redirect_to_nowhere_is_said_as_such(login: StoreConnection, location: str) -> None:
    server = Server(status=302, target=Location(location))
    with serving(server) as asked, opened(at(login, asked.url)) as store, pytest.raises(StoreError) as caught:
        store.check("box")
    assert asked.url in str(caught.value)
    assert not caught.value.transient


class Location(str):
    """A location that no path is added to."""

    __slots__ = ()

    def __add__(self, _path: str) -> str:
        return str(self).encode().decode("latin-1")

    def __bool__(self) -> bool:
        return True


Ask = Callable[[SwiftStore, Path], object]

ASKS: dict[str, Ask] = {
    "HEAD a container": lambda store, _: store.check("c"),
    "GET the account": lambda store, _: store.list_containers(),
    "GET a container": lambda store, _: list(store.list_objects("c")),
    "GET a folder": lambda store, _: list(store.list_dir("c", "f/")),
    "HEAD an object": lambda store, _: store.stat("c", "a"),
    "GET an object": lambda store, path: store.get("c", "a", path / "got"),
    "GET a range": lambda store, _: store.read_range("c", "a", 0, 3),
    "PUT bytes": lambda store, _: store.put("c", "a", b"content"),
    "PUT a file": lambda store, path: store.put("c", "a", path / "here"),
    "PUT a segment": lambda store, path: store.put_segment("c", "a", as_body(path / "here")),
    "PUT a manifest": lambda store, _: store.complete_multipart("c", "a", [Part(0, 1, "0" * 32, ("c", "s"))]),
    "GET a shape": lambda store, _: store.get_layout("c", "a"),
    "PUT a container": lambda store, _: store.create_container("c"),
    "DELETE a container": lambda store, _: store.delete_container("c"),
    "DELETE an object": lambda store, _: store.delete("c", ["a"]),
    "COPY an object": lambda store, _: store.copy("c", "a", "d", "b"),
    "GET a part": lambda store, _: store.get_part(
        "c", "a", ObjectLayout(7, "0" * 32, ()), Part(0, 7, None, None), lambda *_: None
    ),
}


@pytest.fixture
def server() -> Iterator[Troubled]:
    with Troubled() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        yield one
        one.over.set()
        one.shutdown()
        thread.join()


KINDS = {
    "v1": {"path": "/auth/v1.0"},
    "v3": {"path": "/v3", "project_id": "p", "region": "dallas", "domain_name": "d"},
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_request_with_a_token_is_redirected(
    server: Troubled, tmp_path: Path, kind: str, ask: str, status: int
) -> None:
    (tmp_path / "here").write_bytes(b"content")
    more = dict(KINDS[kind])
    known = {"auth_url": server.url + more.pop("path"), "userId": "a:u", "password": SECRET, **more}
    with serving(Server("127.0.0.2")) as thief:
        for there in (f"{thief.url}/v1/AUTH_a/c/a", f"{server.url}/elsewhere"):
            server.script = [(status, {"Location": there}, b"")] * 5
            before = len(server.seen)
            with opened(StoreConnection.model_validate(known)) as store, pytest.raises(StoreRedirected) as caught:
                ASKS[ask](store, tmp_path)
            assert len(server.seen) == before + 1
            assert server.url in str(caught.value)
            assert origin(there) in str(caught.value)
            assert f"({status})" in str(caught.value)
            assert not [one for one in ("token-", SECRET) if one in str(caught.value)]
        assert thief.asked == []


@pytest.mark.parametrize("status", STATUSES)
def test_deleting_many_is_not_redirected(server: Troubled, status: int) -> None:
    """A POST whose body says what to delete, after a GET that asks the store what it can do."""
    known = {"auth_url": f"{server.url}/auth/v1.0", "userId": "a:u", "password": SECRET}
    able = b'{"bulk_delete": {"max_deletes_per_request": 100}}'
    with serving(Server("127.0.0.2")) as thief:
        server.script = [(200, {}, able), (status, {"Location": f"{thief.url}/v1/AUTH_a"}, b"")]
        with opened(StoreConnection.model_validate(known)) as store, pytest.raises(StoreRedirected):
            store.delete("c", ["a", "b"])
        assert thief.asked == []
    assert [method for method, _, _ in server.seen] == ["GET", "POST"]
