"""The Swift store against a small server with scripted responses, over a real socket."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRedirected, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.store import SwiftStore
from tests.integration.storage.scripted_server import CONTENT, MD5, Response, ScriptedServer
from tests.waiting import WAIT_TIMEOUT

FAST_RETRIES = RetryPolicy(attempts=3, first_pause=0.01)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.02,))
        thread.start()
        yield one
        one.stopped.set()
        one.shutdown()
        thread.join()


OpenStore = Callable[..., SwiftStore]


@pytest.fixture
def open_store(server: ScriptedServer) -> Iterator[OpenStore]:
    stores = []

    def make(
        retry_policy: RetryPolicy = FAST_RETRIES, read_timeout: float = WAIT_TIMEOUT, **connection: str
    ) -> SwiftStore:
        known = {"auth_url": f"{server.url}/auth/v1.0", "userId": "a:u", "password": "p4ssw0rd"} | connection
        store = SwiftStore.open(
            SwiftStoreConnection.model_validate(known), retry_policy=retry_policy, read_timeout=read_timeout
        )
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    "failure", [(503, {}, b""), (408, {}, b""), (429, {}, b""), (498, {}, b""), (500, {}, b""), "break"]
)
def test_transient_error_is_retried(
    server: ScriptedServer, open_store: OpenStore, tmp_path: Path, failure: Response | str
) -> None:
    server.script = [failure, failure]
    assert open_store().get("c", "a", tmp_path / "a") == len(CONTENT)


@pytest.mark.parametrize("source", ["bytes", "file"])
def test_put_sends_the_whole_body_at_every_attempt(
    server: ScriptedServer, open_store: OpenStore, tmp_path: Path, source: str
) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    server.script = [(503, {}, b""), "break", (201, {"ETag": MD5}, b"")]
    progress: list[int] = []
    open_store().put("c", "a", CONTENT if source == "bytes" else tmp_path / "a", on_progress=progress.append)
    assert [body for _, _, body in server.requests] == [CONTENT] * 3
    assert sum(progress) == len(CONTENT)


def test_lasting_error_is_raised_after_the_last_attempt(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(503, {}, b"")] * 9
    with pytest.raises(StoreUnreachable, match="cannot serve c now"):
        open_store().create_container("c")
    assert len(server.requests) == FAST_RETRIES.attempts


def test_check_sends_one_login_and_one_request(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(503, {}, b"")] * 9
    with pytest.raises(StoreUnreachable):
        open_store().check("c")
    assert (len(server.logins), len(server.requests)) == (1, 1)


def test_retry_after_is_honored_up_to_the_limit(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(503, {"Retry-After": "1"}, b"")]
    started = time.monotonic()
    open_store().create_container("c")
    assert time.monotonic() - started >= 1
    server.script = [(503, {"Retry-After": "3600"}, b"")]
    with pytest.raises(StoreUnreachable):
        open_store().create_container("c")


def test_retries_are_logged_with_their_cause_the_first_as_a_warning(
    server: ScriptedServer, open_store: OpenStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "airflow_dlaas.storage.swift.session")
    server.script = [(503, {}, b""), (429, {}, b"")]
    open_store().put("c", "a", CONTENT)
    first, second = [one for one in caplog.records if one.name == "airflow_dlaas.storage.swift.session"]
    assert (first.levelname, second.levelname) == ("WARNING", "DEBUG")
    assert re.search(r"^Uploading c/a failed \(.*503.*\); retrying in [\d.]+ s \(attempt 2 of 3\)$", first.getMessage())
    assert "(attempt 3 of 3)" in second.getMessage()
    assert "token-" not in caplog.text


def test_missing_response_raises_after_the_read_timeout(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = ["silence"]
    with pytest.raises(StoreUnreachable, match="did not respond in time"):
        open_store(NO_RETRY, read_timeout=0.2).create_container("c")


def test_expired_token_is_renewed_once(server: ScriptedServer, open_store: OpenStore) -> None:
    store = open_store()
    server.script = [(401, {}, b""), (201, {"ETag": MD5}, b"")]
    store.put("c", "a", CONTENT)
    store.check("c")
    assert len(server.logins) == 2
    assert [token for _, token, _ in server.requests] == ["token-1", "token-2", "token-2"]


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_new_token_raises_store_refused(server: ScriptedServer, open_store: OpenStore, status: int) -> None:
    server.script = [(status, {}, b"")] * 9
    with pytest.raises(StoreRefused, match="denies this user access to c"):
        open_store().create_container("c")
    assert len(server.requests) <= 2


@pytest.mark.parametrize("status", [413, 507])
def test_full_store_is_not_retried(server: ScriptedServer, open_store: OpenStore, status: int) -> None:
    server.script = [(status, {}, b"")] * 9
    with pytest.raises(StoreFull, match="no room"):
        open_store().put("c", "a", CONTENT)
    assert len(server.requests) == 1


def test_put_rejected_for_its_md5_raises_corrupted(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(422, {}, b"")] * 9
    with pytest.raises(Corrupted, match="was not stored"):
        open_store().put("c", "a", CONTENT)
    assert len(server.requests) == FAST_RETRIES.attempts


def test_put_with_another_md5_in_the_response_raises_corrupted(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(201, {"ETag": "0" * 32}, b"")]
    with pytest.raises(Corrupted, match="was stored with the MD5"):
        open_store(NO_RETRY).put("c", "a", CONTENT)


@pytest.mark.parametrize(
    "response",
    [
        (200, {"ETag": "0" * 32}, CONTENT),
        (200, {"ETag": MD5, "Content-Length": "99999"}, CONTENT),
    ],
)
def test_damaged_download_is_retried_and_never_kept(
    server: ScriptedServer, open_store: OpenStore, tmp_path: Path, response: Response
) -> None:
    server.script = [response]
    progress: list[int] = []
    open_store().get("c", "a", tmp_path / "a", on_progress=progress.append)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert sum(progress) == len(CONTENT)
    (tmp_path / "a").write_bytes(b"before")
    server.script = [response] * 9
    with pytest.raises((Corrupted, StoreUnreachable)):
        open_store().get("c", "a", tmp_path / "a")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_download_of_an_object_of_segments_is_not_compared_with_its_etag(
    server: ScriptedServer, open_store: OpenStore, tmp_path: Path
) -> None:
    server.script = [(200, {"ETag": '"abc"', "X-Static-Large-Object": "True"}, CONTENT)]
    assert open_store().get("c", "a", tmp_path / "a") == len(CONTENT)


def test_redirect_is_not_followed(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(302, {"Location": f"{server.url}/elsewhere"}, b"")]
    with pytest.raises(StoreRedirected, match="is not followed"):
        open_store().check("c")
    assert len(server.requests) == 1


def test_web_page_instead_of_a_listing_raises_store_error(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(200, {"Content-Type": "text/html"}, b"<html>log in</html>")]
    with pytest.raises(StoreError, match="not one of Swift"):
        list(open_store().list_objects("c"))


def test_download_to_an_unwritable_path_raises_host_error(open_store: OpenStore, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be written") as error:
        open_store().get("c", "a", tmp_path / "missing" / "a")
    assert type(error.value).__name__ == "HostError"


# ---- Keystone v3

KEYSTONE = {"project_id": "p1", "region": "dallas", "domain_name": "d1"}


@pytest.mark.parametrize("path", ["", "/", "/v3", "/v3/"])
def test_keystone_login_by_user_id_with_and_without_a_version_in_the_url(
    server: ScriptedServer, open_store: OpenStore, path: str
) -> None:
    open_store(auth_url=server.url + path, **KEYSTONE).check("c")
    (login,) = server.logins
    assert login["auth"]["identity"]["password"]["user"] == {"id": "a:u", "password": "p4ssw0rd"}
    assert login["auth"]["scope"] == {"project": {"id": "p1"}}
    assert server.requests[0][1] == "token-1"


def test_keystone_login_by_user_name_and_domain(server: ScriptedServer, open_store: OpenStore) -> None:
    connection = SwiftStoreConnection.model_validate(
        {"auth_url": server.url, "user_name": "ann", "password": "p4ssw0rd", **KEYSTONE}
    )
    with SwiftStore.open(connection) as store:
        store.check("c")
    (login,) = server.logins
    assert login["auth"]["identity"]["password"]["user"]["name"] == "ann"
    assert login["auth"]["identity"]["password"]["user"]["domain"] == {"name": "d1"}


def test_expired_keystone_token_is_renewed_for_a_user_id(server: ScriptedServer, open_store: OpenStore) -> None:
    server.script = [(401, {}, b"")]
    open_store(auth_url=server.url, **KEYSTONE).check("c")
    assert [token for _, token, _ in server.requests] == ["token-1", "token-2"]


def test_region_without_an_object_store_is_named(server: ScriptedServer, open_store: OpenStore) -> None:
    with pytest.raises(StoreRefused, match="in region 'london': check region"):
        open_store(auth_url=server.url, **(KEYSTONE | {"region": "london"})).check("c")


@pytest.mark.parametrize("keystone", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, StoreRefused), (403, StoreRefused), (404, StoreError), (503, StoreUnreachable), (429, StoreUnreachable)],
)
def test_status_of_the_login_selects_the_error(
    server: ScriptedServer, open_store: OpenStore, keystone: bool, status: int, kind: type[StoreError]
) -> None:
    server.login_status = status
    more = KEYSTONE | {"auth_url": server.url} if keystone else {}
    with pytest.raises(StoreError) as error:
        open_store(**more).check("c")
    assert type(error.value) is kind
    assert "p4ssw0rd" not in str(error.value)
    assert len(server.logins) == 1


def test_unreachable_keystone_raises_store_unreachable(open_store: OpenStore) -> None:
    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        open_store(auth_url="http://127.0.0.1:1/v3", **KEYSTONE).check("c")
