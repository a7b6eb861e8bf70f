"""Requests with a credential follow no redirect: logins, and every request with a token."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRedirected
from airflow_dlaas.storage.body import as_body
from airflow_dlaas.storage.object_store import ObjectLayout, Part
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.integration.storage.scripted_server import ScriptedServer
from tests.redirector import STATUSES, Server, serving

SECRET = "p4ssw0rd-of-the-tests"


def open_store(connection: SwiftStoreConnection) -> SwiftStore:
    return SwiftStore.open(connection, retry_policy=NO_RETRY)


def with_login_at(connection: SwiftStoreConnection, url: str) -> SwiftStoreConnection:
    """Return the same connection with its login at *url*."""
    return connection.model_copy(update={"auth_url": url + urlsplit(connection.auth_url).path})


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture(params=["swift", "keystone"])
def login(request: pytest.FixtureRequest) -> SwiftStoreConnection:
    """A connection to the real Swift and to the real Keystone: a redirected login would succeed."""
    found: SwiftStoreConnection = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("status", STATUSES)
def test_login_is_not_redirected_to_another_port(login: SwiftStoreConnection, status: int) -> None:
    with (
        serving(Server(target=origin(login.auth_url), status=status)) as redirecting,
        open_store(with_login_at(login, redirecting.url)) as store,
        pytest.raises(StoreRedirected) as caught,
    ):
        store.list_containers()
    assert len(redirecting.asked) == 1
    message = str(caught.value)
    assert redirecting.url in message
    assert login.auth_url in message
    assert f"({status})" in message
    assert "auth_url" in message
    assert login.password.get_secret_value() not in message
    assert not caught.value.transient


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("target_host", ["127.0.0.2", "localhost", "127.0.0.1"], ids=["address", "name", "port"])
def test_login_sends_nothing_to_the_target_of_a_redirect(
    login: SwiftStoreConnection, status: int, target_host: str
) -> None:
    host = "127.0.0.2" if target_host == "127.0.0.2" else "127.0.0.1"
    with serving(Server(host)) as target_server:
        target = f"http://{target_host}:{target_server.server_port}"
        with (
            serving(Server(target=target, status=status)) as redirecting,
            open_store(with_login_at(login, redirecting.url)) as store,
            pytest.raises(StoreRedirected, match=target),
        ):
            store.check("box")
        assert target_server.asked == []
        assert len(redirecting.asked) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_login_is_not_redirected_to_another_path_of_its_host(login: SwiftStoreConnection, status: int) -> None:
    with (
        serving(Server(status=status, target="/elsewhere")) as redirecting,
        open_store(with_login_at(login, redirecting.url)) as store,
    ):
        with pytest.raises(StoreRedirected, match=f"{redirecting.url}/elsewhere"):
            store.check("box")
        assert len(redirecting.asked) == 1


@pytest.mark.parametrize("status", STATUSES)
def test_redirect_error_shows_no_user_and_no_query_of_the_target(
    login: SwiftStoreConnection, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The user and the query of a URL are often secrets."""
    caplog.set_level(logging.DEBUG)
    server = Server(status=status, target="http://user:s3cret-user@127.0.0.1:9/sso?ticket=s3cret-ticket#s3cret&x=")
    with serving(server) as redirecting, open_store(with_login_at(login, redirecting.url)) as store:
        with pytest.raises(StoreRedirected, match=r"http://127\.0\.0\.1:9\b") as caught:
            store.check("box")
        for hidden in ("s3cret", login.password.get_secret_value()):
            assert hidden not in str(caught.value)
            assert login.password.get_secret_value() not in caplog.text


@pytest.mark.parametrize("location", ["http://[", "http://exa mple/", "//", "ftp://x/", "\x00", "http://é/", ""])
def test_redirect_without_a_usable_target_raises_store_error(login: SwiftStoreConnection, location: str) -> None:
    server = Server(status=302, target=Location(location))
    with (
        serving(server) as redirecting,
        open_store(with_login_at(login, redirecting.url)) as store,
        pytest.raises(StoreError) as caught,
    ):
        store.check("box")
    assert redirecting.url in str(caught.value)
    assert not caught.value.transient


class Location(str):
    """A location without the path of the request."""

    __slots__ = ()

    def __add__(self, _path: str) -> str:
        return str(self).encode().decode("latin-1")

    def __bool__(self) -> bool:
        return True


Call = Callable[[SwiftStore, Path], object]

METHODS: dict[str, Call] = {
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
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        yield one
        one.stopped.set()
        one.shutdown()
        thread.join()


KINDS = {
    "v1": {"path": "/auth/v1.0"},
    "v3": {"path": "/v3", "project_id": "p", "region": "dallas", "domain_name": "d"},
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_request_with_a_token_is_not_redirected(
    server: ScriptedServer, tmp_path: Path, kind: str, method: str, status: int
) -> None:
    (tmp_path / "here").write_bytes(b"content")
    more = dict(KINDS[kind])
    known = {"auth_url": server.url + more.pop("path"), "userId": "a:u", "password": SECRET, **more}
    with serving(Server("127.0.0.2")) as target_server:
        for target in (f"{target_server.url}/v1/AUTH_a/c/a", f"{server.url}/elsewhere"):
            server.script = [(status, {"Location": target}, b"")] * 5
            before = len(server.requests)
            with (
                open_store(SwiftStoreConnection.model_validate(known)) as store,
                pytest.raises(StoreRedirected) as caught,
            ):
                METHODS[method](store, tmp_path)
            assert len(server.requests) == before + 1
            assert server.url in str(caught.value)
            assert origin(target) in str(caught.value)
            assert f"({status})" in str(caught.value)
            assert not [one for one in ("token-", SECRET) if one in str(caught.value)]
        assert target_server.asked == []


@pytest.mark.parametrize("status", STATUSES)
def test_bulk_delete_is_not_redirected(server: ScriptedServer, status: int) -> None:
    """A POST with the names to delete, after a GET of the capabilities."""
    known = {"auth_url": f"{server.url}/auth/v1.0", "userId": "a:u", "password": SECRET}
    able = b'{"bulk_delete": {"max_deletes_per_request": 100}}'
    with serving(Server("127.0.0.2")) as target_server:
        server.script = [(200, {}, able), (status, {"Location": f"{target_server.url}/v1/AUTH_a"}, b"")]
        with open_store(SwiftStoreConnection.model_validate(known)) as store, pytest.raises(StoreRedirected):
            store.delete("c", ["a", "b"])
        assert target_server.asked == []
    assert [method for method, _, _ in server.requests] == ["GET", "POST"]
