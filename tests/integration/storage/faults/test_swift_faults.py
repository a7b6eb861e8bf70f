"""Faults that only a Swift has: tokens that expire, and the responses to manifests, listings and bulk requests."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import Progress, UploadOptions, delete_objects, upload
from tests.fault_proxy import CorruptReply, ExpireTokens, FaultProxy, LoseReply, SendReply
from tests.object_stores.fault_requests import SWIFT_DOWNLOADS as DOWNLOAD_REQUESTS
from tests.object_stores.fault_requests import SWIFT_PART as SEGMENT_SIZE
from tests.object_stores.fault_requests import SWIFT_UPLOADS as UPLOAD_REQUESTS
from tests.object_stores.fault_requests import WRITES as WRITE_REQUESTS
from tests.object_stores.faulted import FAST_RETRIES, Downloads, Uploads
from tests.stored import contents, has_clear_message, orphans, random_bytes, read_tree, write_tree

pytestmark = pytest.mark.parametrize("store_name", ["swift"], indirect=True)


@pytest.fixture
def secrets(swift: SwiftStoreConnection, direct: SwiftStore) -> list[str]:
    """What no error may contain. The proxy's names for a token end in the token."""
    direct.list_containers()
    return [swift.password.get_secret_value(), direct.session._authenticator.get_token().value]


# ---- tokens


def test_token_that_expires_at_any_request_is_renewed(
    uploads: Uploads, downloads: Downloads, store: SwiftStore, proxy: FaultProxy
) -> None:
    new = uploads.write(1, "gone1", "gone2")
    for requests, move in ((UPLOAD_REQUESTS, uploads.send), (DOWNLOAD_REQUESTS, downloads.fetch)):
        after_the_login = [request for where, request in requests.items() if where != "login"]
        for request in after_the_login:
            proxy.on(ExpireTokens(), method=request.method, path=request.pattern)
        before = proxy.logins
        move(store, threads=1)
        assert all(request.was_hit(proxy.requests) for request in after_the_login)
        assert proxy.logins - max(before, 1) == len(after_the_login)
    assert uploads.stored() == new
    assert read_tree(downloads.there) == downloads.new


def test_threads_whose_token_expires_log_in_once_together(
    direct: SwiftStore, container: str, store: SwiftStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    here = write_tree(tmp_path / "here", {f"{number}": random_bytes(20_000, number) for number in range(60)})
    expired = False

    def expire(progress: Progress) -> None:
        nonlocal expired
        if progress.files_done == 20 and not expired:
            expired = True
            proxy.expire_tokens()

    upload(store, here, container, UploadOptions(threads=8, progress=expire))
    assert proxy.logins == 2
    assert contents(direct, container) == read_tree(here)


def test_token_that_is_always_rejected_is_renewed_once(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy, secrets: list[str]
) -> None:
    old = uploads.stored()
    uploads.write(1, "gone1", "gone2")
    for where in ("listing", "part", "small", "deletion"):
        request = UPLOAD_REQUESTS[where]
        proxy.on(SendReply(401), method=request.method, path=request.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=FAST_RETRIES)
        with fresh, pytest.raises(StoreRefused, match="check the credentials") as error:
            uploads.send(fresh, threads=1)
        assert proxy.count(method=request.method, path=request.pattern) == 2
        assert proxy.logins == 2
        assert has_clear_message(error.value, *secrets)
        name = {"deletion": "data/gone1", "part": "data/large"}.get(where, "data/small")
        assert uploads.stored()[name] == old[name]
        proxy.calm()
        proxy.clear()


# ---- Retry-After, and a full store


Ask = Callable[[SwiftStore, str, Path], object]

VERBS: dict[str, tuple[str, str, Ask]] = {
    "put": ("PUT", "/one$", lambda store, container, _: store.put(container, "one", b"new")),
    "list": ("GET", "json&prefix=", lambda store, container, _: list(store.list_objects(container, "o"))),
    "look": ("HEAD", "/one$", lambda store, container, _: store.get_layout(container, "one")),
    "get": ("GET", "/one$", lambda store, container, folder: store.get(container, "one", folder / "one")),
    "delete": ("DELETE", "/one$", lambda store, container, _: store.delete(container, ["one"])),
    "login": ("GET", "^/auth", lambda store, container, _: store.create_container(container)),
}
"""Methods of a store, and the request that each sends."""


@pytest.mark.parametrize(("verb", "status"), [("put", 503), ("list", 429), ("get", 498), ("login", 503)])
def test_retry_waits_as_long_as_retry_after_requests(
    direct: SwiftStore, container: str, store: SwiftStore, proxy: FaultProxy, tmp_path: Path, verb: str, status: int
) -> None:
    direct.put(container, "one", b"old")
    method, path, call = VERBS[verb]
    proxy.on(SendReply(status, {"Retry-After": "1"}), method=method, path=re.compile(path))
    started = time.monotonic()
    call(store, container, tmp_path)
    assert time.monotonic() - started >= 1
    assert proxy.count(method=method, path=re.compile(path)) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_retry_after_longer_than_the_limit_ends_the_retries(
    swift: SwiftStoreConnection, direct: SwiftStore, container: str, proxy: FaultProxy, tmp_path: Path, verb: str
) -> None:
    direct.put(container, "one", b"old")
    method, path, call = VERBS[verb]
    through = swift.model_copy(update={"auth_url": proxy.auth_url})
    proxy.on(SendReply(503, {"Retry-After": "31"}), method=method, path=re.compile(path), times=None)
    with SwiftStore.open(through) as store, pytest.raises(StoreUnreachable, match="503"):
        call(store, container, tmp_path)
    assert proxy.count(method=method, path=re.compile(path)) == 1


FULL = [
    (SendReply(413, body=b"<html><h1>Request Entity Too Large</h1><p>Upload exceeds quota.</p></html>"), "quota"),
    (SendReply(413, body=b"Upload exceeds quota.", early=True), "quota"),
    (SendReply(413, body=b"<html>Your request is too large.</html>"), "larger than it takes"),
    (SendReply(507, body=b"<html>There was not enough space to save the resource.</html>"), "disks are full"),
]
"""Responses of a full store, and the text of the error."""


@pytest.mark.parametrize("where", WRITE_REQUESTS)
def test_full_store_is_reported_without_a_retry(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy, where: str
) -> None:
    request, old = UPLOAD_REQUESTS[where], uploads.stored()
    uploads.write(1)
    for answer, sentence in FULL:
        proxy.on(answer, method=request.method, path=request.pattern, times=None)
        with pytest.raises(StoreFull, match=sentence):
            uploads.send(store)
        assert proxy.count(method=request.method, path=request.pattern) == 1
        proxy.calm()
        proxy.clear()
    assert uploads.stored()[WRITE_REQUESTS[where]] == old[WRITE_REQUESTS[where]]


# ---- wrong responses


@pytest.mark.parametrize("where", WRITE_REQUESTS)
def test_upload_with_a_wrong_etag_in_the_response_fails(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy, where: str
) -> None:
    request, old, new = UPLOAD_REQUESTS[where], uploads.stored(), uploads.write(1, "gone1", "gone2")
    proxy.on(SendReply(201, {"ETag": f'"{0:032}"'}), method=request.method, path=request.pattern, times=None)
    with pytest.raises(Corrupted, match=f"{0:032}"):
        uploads.send(store)
    assert uploads.stored()[WRITE_REQUESTS[where]] == old[WRITE_REQUESTS[where]]
    proxy.calm()
    proxy.on(SendReply(201, {"ETag": f"{0:032}"}), method=request.method, path=request.pattern)
    uploads.send(store)
    assert uploads.stored() == new
    assert not orphans(uploads.direct, uploads.container)


RESULTS = {
    b' \r\n\r\n{"Response Status": "503 Service Unavailable", "Errors": []}': StoreUnreachable,
    b' {"Response Status": "413 Request Entity Too Large", "Response Body": "exceeds quota"}': StoreFull,
    b' {"Response Status": "403 Forbidden"}': StoreRefused,
    b' {"Response Status": "400 Bad Request", "Errors": [["/c/s", "404 Not Found"]]}': Corrupted,
    b' {"Response Status": "422 Unprocessable Entity", "Errors": []}': Corrupted,
    b' {"Response Status": "201 Created", "Etag": "0"}': Corrupted,
    b" ": StoreError,
    b' {"Response Status"': StoreError,
    b"[]": StoreError,
    b"<html>201 Created</html>": StoreError,
}
"""Possible ends of a response with the status 202, and the error that each means."""


def test_manifest_is_stored_only_if_the_body_of_the_response_reports_success(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy
) -> None:
    old = uploads.stored()
    uploads.write(1)
    for result, kind in RESULTS.items():
        proxy.on(SendReply(202, body=result), path="multipart-manifest=put", times=None)
        with pytest.raises(StoreError) as error:
            uploads.send(store)
        assert type(error.value) is kind, result
        proxy.calm()
    assert uploads.stored()["data/large"] == old["data/large"]


WEB_PAGE = b"<html><body>Welcome! Please log in.</body></html>"


@pytest.mark.parametrize(
    "answer", [WEB_PAGE, b"", b"[]", b"{}", b"null", b"7", b'["x"]', b"[{}]", b'{"a": [1]}', b"\xff"]
)
def test_response_that_is_not_one_of_swift_raises_no_error_of_a_library(
    direct: SwiftStore, downloads: Downloads, store: SwiftStore, proxy: FaultProxy, answer: bytes
) -> None:
    """It raises a `StoreError`, or counts as an empty response where no check is possible."""
    for method, path, call in (
        ("GET", "prefix=", lambda: list(store.list_objects(downloads.container, "data"))),
        ("GET", "multipart-manifest=get", lambda: store.get_layout(downloads.container, "data/large")),
        ("GET", r"format=json$", lambda: store.list_containers()),
        ("GET", "^/info$", lambda: store.limits()),
        ("POST", "bulk-delete", lambda: store.delete(downloads.container, ["no-such", "nor-this"])),
    ):
        proxy.on(SendReply(200, body=answer), method=method, path=re.compile(path), times=None)
        with contextlib.suppress(StoreError):
            call()
        proxy.calm()


def test_listing_that_repeats_a_page_fails(store: SwiftStore, container: str, proxy: FaultProxy) -> None:
    page = b'[{"name": "a", "bytes": 1, "hash": "0", "last_modified": "2026-01-01T00:00:00.000000"}]'
    proxy.on(SendReply(200, body=page), method="GET", path="prefix=", times=None)
    with pytest.raises(StoreError, match="without end"):
        list(store.list_objects(container, "a"))


def test_response_with_a_flipped_bit_raises_no_error_of_a_library(
    downloads: Downloads, store: SwiftStore, proxy: FaultProxy
) -> None:
    for method, path, length, call in (
        ("GET", "prefix=", 250, lambda: list(store.list_objects(downloads.container, "data/small"))),
        ("GET", "multipart-manifest=get", 250, lambda: store.get_layout(downloads.container, "data/large")),
        ("POST", "bulk-delete", 110, lambda: store.delete(downloads.container, ["no-such", "nor-this"])),
    ):
        for at in range(0, length, 3):
            proxy.on(CorruptReply(at), method=method, path=path)
            with contextlib.suppress(StoreError):
                call()
            proxy.calm()


# ---- requests that are not part of every transfer


def test_segment_container_is_created_in_spite_of_faults(
    direct: SwiftStore, container: str, store: SwiftStore, proxy: FaultProxy, tmp_path: Path
) -> None:
    here = write_tree(tmp_path / "here", {"large": random_bytes(3 * SEGMENT_SIZE, 1)})
    for fault in (SendReply(503), LoseReply()):
        proxy.on(fault, method="PUT", path=re.compile("_segments$"))
    upload(store, here, container, UploadOptions(segment_size=SEGMENT_SIZE))
    assert proxy.count(method="PUT", path=re.compile("_segments$")) == 3
    assert contents(direct, container) == read_tree(here)


def test_deletion_of_an_object_that_another_client_deletes_succeeds(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy
) -> None:
    proxy.on(SendReply(404), method="HEAD", path=re.compile("/data/large$"))
    delete_objects(store, uploads.container, names=["data/large"])
    assert "data/large" not in uploads.stored()
