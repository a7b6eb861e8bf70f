"""A store in trouble, played by a small server over a real socket."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.contract.stores import StoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.waiting import PATIENCE

QUICK = RetryPolicy(attempts=3, first_pause=0.01)
CONTENT = b"content" * 1000
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()

Answer = tuple[int, dict[str, str], bytes]


class Troubled(ThreadingHTTPServer):
    """
    Speaks Swift v1 and Keystone v3; answers each other request with the next of `script`, or with *usual*.

    A script may hold "silence" and "break": no answer, or a connection that ends.
    """

    daemon_threads = True
    usual: Answer = (200, {"ETag": MD5}, CONTENT)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer | str] = []
        self.logins: list[Any] = []
        self.seen: list[tuple[str, str, bytes]] = []
        self.login_status = 200
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None: ...


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Troubled

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/auth/v1.0":
            self.server.logins.append(self.headers["X-Auth-User"])
            token = f"token-{len(self.server.logins)}"
            headers = {"X-Storage-Url": f"{self.server.url}/v1/AUTH_a", "X-Auth-Token": token}
            return self.say((self.server.login_status, headers, b""))
        if self.path == "/v3/auth/tokens":
            self.server.logins.append(json.loads(body))
            endpoint = {
                "interface": "public",
                "region": "dallas",
                "region_id": "dallas",
                "url": f"{self.server.url}/v1/a",
            }
            catalog = [{"type": "object-store", "name": "swift", "id": "1", "endpoints": [{"id": "2", **endpoint}]}]
            expires = "2999-01-01T00:00:00.000000Z"
            issued = {"methods": ["password"], "expires_at": expires, "catalog": catalog, "user": {"id": "u"}}
            status = 201 if self.server.login_status == 200 else self.server.login_status
            answer = json.dumps({"token": issued}).encode()
            return self.say((status, {"X-Subject-Token": f"token-{len(self.server.logins)}"}, answer))
        self.server.seen.append((self.command, self.headers["X-Auth-Token"], body))
        step = self.server.script.pop(0) if self.server.script else self.server.usual
        if step == "silence":
            self.server.over.wait(PATIENCE)
            step = "break"
        if isinstance(step, str):
            self.close_connection = True
            return None
        return self.say(step)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_COPY = do_GET  # noqa: N815  (http.server's names)

    def say(self, answer: Answer) -> None:
        status, headers, body = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        if int(headers.get("Content-Length", len(body))) != len(body):
            self.close_connection = True


@pytest.fixture
def server() -> Iterator[Troubled]:
    with Troubled() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        yield one
        one.over.set()
        one.shutdown()
        thread.join()


Opened = Callable[..., SwiftStore]


@pytest.fixture
def opened(server: Troubled) -> Iterator[Opened]:
    stores = []

    def make(patience: RetryPolicy = QUICK, read_timeout: float = PATIENCE, **connection: str) -> SwiftStore:
        known = {"auth_url": f"{server.url}/auth/v1.0", "userId": "a:u", "password": "p4ssw0rd"} | connection
        store = SwiftStore.open(StoreConnection.model_validate(known), retry_policy=patience, read_timeout=read_timeout)
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "trouble", [(503, {}, b""), (408, {}, b""), (429, {}, b""), (498, {}, b""), (500, {}, b""), "break"]
)
def test_passing_trouble_is_sat_out(server: Troubled, opened: Opened, tmp_path: Path, trouble: Answer | str) -> None:
    server.script = [trouble, trouble]
    assert opened().get("c", "a", tmp_path / "a") == len(CONTENT)


@pytest.mark.parametrize("source", ["bytes", "file"])
def test_every_attempt_of_a_put_sends_the_whole(server: Troubled, opened: Opened, tmp_path: Path, source: str) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    server.script = [(503, {}, b""), "break", (201, {"ETag": MD5}, b"")]
    moved: list[int] = []
    opened().put("c", "a", CONTENT if source == "bytes" else tmp_path / "a", on_progress=moved.append)
    assert [body for _, _, body in server.seen] == [CONTENT] * 3
    assert sum(moved) == len(CONTENT)


def test_lasting_trouble_ends_after_as_many_attempts_as_patience_has(server: Troubled, opened: Opened) -> None:
    server.script = [(503, {}, b"")] * 9
    with pytest.raises(StoreUnreachable, match="cannot serve c now"):
        opened().create_container("c")
    assert len(server.seen) == QUICK.attempts


def test_a_check_asks_once_and_authenticates_once(server: Troubled, opened: Opened) -> None:
    server.script = [(503, {}, b"")] * 9
    with pytest.raises(StoreUnreachable):
        opened().check("c")
    assert (len(server.logins), len(server.seen)) == (1, 1)


def test_the_store_may_ask_for_a_longer_pause_within_bounds(server: Troubled, opened: Opened) -> None:
    server.script = [(503, {"Retry-After": "1"}, b"")]
    begun = time.monotonic()
    opened().create_container("c")
    assert time.monotonic() - begun >= 1
    server.script = [(503, {"Retry-After": "3600"}, b"")]
    with pytest.raises(StoreUnreachable):
        opened().create_container("c")


def test_retries_are_logged_with_their_cause_the_first_as_a_warning(
    server: Troubled, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "airflow_dlaas.storage.swift.session")
    server.script = [(503, {}, b""), (429, {}, b"")]
    opened().put("c", "a", CONTENT)
    first, second = [one for one in caplog.records if one.name == "airflow_dlaas.storage.swift.session"]
    assert (first.levelname, second.levelname) == ("WARNING", "DEBUG")
    assert re.search(r"^Uploading c/a failed \(.*503.*\); retrying in [\d.]+ s \(attempt 2 of 3\)$", first.getMessage())
    assert "(attempt 3 of 3)" in second.getMessage()
    assert "token-" not in caplog.text


def test_a_silent_store_is_given_up(server: Troubled, opened: Opened) -> None:
    server.script = ["silence"]
    with pytest.raises(StoreUnreachable, match="did not respond in time"):
        opened(NO_RETRY, read_timeout=0.2).create_container("c")


def test_a_lapsed_token_is_renewed_once_for_all(server: Troubled, opened: Opened) -> None:
    store = opened()
    server.script = [(401, {}, b""), (201, {"ETag": MD5}, b"")]
    store.put("c", "a", CONTENT)
    store.check("c")
    assert len(server.logins) == 2
    assert [token for _, token, _ in server.seen] == ["token-1", "token-2", "token-2"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_fresh_token_that_does_not_help_is_a_refusal(server: Troubled, opened: Opened, status: int) -> None:
    server.script = [(status, {}, b"")] * 9
    with pytest.raises(StoreRefused, match="denies this user access to c"):
        opened().create_container("c")
    assert len(server.seen) <= 2


@pytest.mark.parametrize("status", [413, 507])
def test_a_full_store_is_no_reason_to_try_again(server: Troubled, opened: Opened, status: int) -> None:
    server.script = [(status, {}, b"")] * 9
    with pytest.raises(StoreFull, match="no room"):
        opened().put("c", "a", CONTENT)
    assert len(server.seen) == 1


def test_the_md5_goes_along_so_that_the_store_can_refuse(server: Troubled, opened: Opened) -> None:
    server.script = [(422, {}, b"")] * 9
    with pytest.raises(Corrupted, match="was not stored"):
        opened().put("c", "a", CONTENT)
    assert len(server.seen) == QUICK.attempts


def test_a_store_that_kept_something_else_is_found_out(server: Troubled, opened: Opened) -> None:
    server.script = [(201, {"ETag": "0" * 32}, b"")]
    with pytest.raises(Corrupted, match="was stored with the MD5"):
        opened(NO_RETRY).put("c", "a", CONTENT)


@pytest.mark.parametrize(
    "damage",
    [
        (200, {"ETag": "0" * 32}, CONTENT),
        (200, {"ETag": MD5, "Content-Length": "99999"}, CONTENT),
    ],
)
def test_a_damaged_download_is_fetched_again_and_never_left(
    server: Troubled, opened: Opened, tmp_path: Path, damage: Answer
) -> None:
    server.script = [damage]
    moved: list[int] = []
    opened().get("c", "a", tmp_path / "a", on_progress=moved.append)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert sum(moved) == len(CONTENT)
    (tmp_path / "a").write_bytes(b"before")
    server.script = [damage] * 9
    with pytest.raises((Corrupted, StoreUnreachable)):
        opened().get("c", "a", tmp_path / "a")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_an_object_of_segments_has_no_md5_to_compare(server: Troubled, opened: Opened, tmp_path: Path) -> None:
    server.script = [(200, {"ETag": '"abc"', "X-Static-Large-Object": "True"}, CONTENT)]
    assert opened().get("c", "a", tmp_path / "a") == len(CONTENT)


def test_a_redirect_gets_no_token(server: Troubled, opened: Opened) -> None:
    server.script = [(302, {"Location": f"{server.url}/elsewhere"}, b"")]
    with pytest.raises(StoreRedirected, match="is not followed"):
        opened().check("c")
    assert len(server.seen) == 1


def test_a_page_that_is_no_listing_is_said(server: Troubled, opened: Opened) -> None:
    server.script = [(200, {"Content-Type": "text/html"}, b"<html>log in</html>")]
    with pytest.raises(StoreError, match="not one of Swift"):
        list(opened().list_objects("c"))


def test_a_disk_that_cannot_be_written_is_not_the_stores_fault(opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be written") as error:
        opened().get("c", "a", tmp_path / "missing" / "a")
    assert type(error.value).__name__ == "HostError"


# ---- Keystone v3

KEYSTONE = {"project_id": "p1", "region": "dallas", "domain_name": "d1"}


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/"])
def test_keystone_is_asked_by_id_with_or_without_a_version(server: Troubled, opened: Opened, path: str) -> None:
    opened(auth_url=server.url + path, **KEYSTONE).check("c")
    (login,) = server.logins
    assert login["auth"]["identity"]["password"]["user"] == {"id": "a:u", "password": "p4ssw0rd"}
    assert login["auth"]["scope"] == {"project": {"id": "p1"}}
    assert server.seen[0][1] == "token-1"


def test_keystone_is_asked_by_name_and_domain(server: Troubled, opened: Opened) -> None:
    connection = StoreConnection.model_validate(
        {"auth_url": server.url, "user_name": "ann", "password": "p4ssw0rd", **KEYSTONE}
    )
    with SwiftStore.open(connection) as store:
        store.check("c")
    (login,) = server.logins
    assert login["auth"]["identity"]["password"]["user"]["name"] == "ann"
    assert login["auth"]["identity"]["password"]["user"]["domain"] == {"name": "d1"}


def test_a_lapsed_keystone_token_is_renewed_for_a_user_known_by_id(server: Troubled, opened: Opened) -> None:
    server.script = [(401, {}, b"")]
    opened(auth_url=server.url, **KEYSTONE).check("c")
    assert [token for _, token, _ in server.seen] == ["token-1", "token-2"]


def test_a_region_without_a_store_is_said(server: Troubled, opened: Opened) -> None:
    with pytest.raises(StoreRefused, match="in region 'london': check region"):
        opened(auth_url=server.url, **(KEYSTONE | {"region": "london"})).check("c")


@pytest.mark.parametrize("keystone", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, StoreRefused), (403, StoreRefused), (404, StoreError), (503, StoreUnreachable), (429, StoreUnreachable)],
)
def test_what_the_login_answers_is_understood(
    server: Troubled, opened: Opened, keystone: bool, status: int, kind: type[StoreError]
) -> None:
    server.login_status = status
    more = KEYSTONE | {"auth_url": server.url} if keystone else {}
    with pytest.raises(StoreError) as error:
        opened(**more).check("c")
    assert type(error.value) is kind
    assert "p4ssw0rd" not in str(error.value)
    assert len(server.logins) == 1


def test_a_keystone_nobody_answers_at_is_said(opened: Opened) -> None:
    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        opened(auth_url="http://127.0.0.1:1/v3", **KEYSTONE).check("c")
