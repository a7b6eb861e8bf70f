"""
Transfers under faults: a proxy between the client and a real Swift does to each kind of request what a network can do.

A transfer survives a fault that occurs once. A lasting fault ends it with an error, and every object and file is as it
was before or as it was to become, never anything else. The tests read the store directly to check this.
"""

from __future__ import annotations

import contextlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.contract.stores import SwiftStoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.swift.store import SwiftStore
from airflow_dlaas.storage.transfer.api import (
    DownloadOptions,
    Progress,
    UploadOptions,
    delete_objects,
    download,
    upload,
)
from tests.fault_proxy import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    FaultProxy,
    LoseReply,
    ResetReply,
    ResetRequest,
    Seen,
    SendReply,
    Silence,
    StallReply,
    StallRequest,
    Truncate,
)
from tests.stored import (
    Tree,
    contents,
    has_clear_message,
    orphans,
    random_bytes,
    read_tree,
    wait_until_disconnected,
    write_tree,
)

FAST_RETRIES = RetryPolicy(attempts=3, first_pause=0.01)

SHORT_TIMEOUT = 0.8
"""A read timeout in seconds: long enough for a real store, unless the machine is busy."""

MANY_RETRIES = RetryPolicy(attempts=12, first_pause=0.01)
"""For the short timeout, which a real store on a busy machine may exceed several times."""

SEGMENT_SIZE = 640 * 1024
"""Bytes of a segment in these tests."""

SIZES = {"large": 2 * SEGMENT_SIZE + 40_000, "piece": 1_200_000, "small": 1000, "empty": 0}
"""Sizes of the files: three segments, hashed before it is sent, sent from memory, empty."""


@dataclass(frozen=True)
class RequestKind:
    """A kind of request that can have a fault, and the approximate sizes of its body and of its response."""

    method: str
    path: str
    sent: int = 0
    answered: int = 0
    json: bool = False
    """Whether the response is a document for the client, and no content of an object."""

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.path)

    def was_hit(self, requests: list[Seen]) -> bool:
        """Whether one of *requests* is of this kind and had a fault."""
        return any(one.method == self.method and self.pattern.search(one.path) and one.fault for one in requests)


UPLOAD_REQUESTS = {
    "login": RequestKind("GET", r"^/auth/v1\.0$"),
    "capabilities": RequestKind("GET", r"^/info$", answered=1000, json=True),
    "listing": RequestKind("GET", r"/c-[0-9a-f]+\?", answered=500, json=True),
    "look": RequestKind("HEAD", r"/data/large$"),
    "list of segments": RequestKind("GET", r"multipart-manifest=get", answered=500, json=True),
    "small": RequestKind("PUT", r"/data/small$", sent=1000),
    "piece": RequestKind("PUT", r"/data/piece$", sent=1_200_000),
    "segments there": RequestKind("GET", r"_segments\?", answered=500, json=True),
    "segment": RequestKind("PUT", r"_segments/.*/00000001$", sent=SEGMENT_SIZE),
    "joining": RequestKind("PUT", r"multipart-manifest=put", sent=400, answered=100, json=True),
    "deletion": RequestKind("POST", r"bulk-delete", sent=70, answered=100, json=True),
}
DOWNLOAD_REQUESTS = {
    "login": RequestKind("GET", r"^/auth/v1\.0$"),
    "listing": RequestKind("GET", r"/c-[0-9a-f]+\?", answered=500, json=True),
    "look": RequestKind("HEAD", r"/data/large$"),
    "list of segments": RequestKind("GET", r"multipart-manifest=get", answered=500, json=True),
    "small": RequestKind("GET", r"/data/small$", answered=1000),
    "piece": RequestKind("GET", r"/data/piece$", answered=1_200_000),
    "part of segments": RequestKind("GET", r"/data/large$", answered=40_000),
    "part of one piece": RequestKind("GET", r"/data/wide$", answered=40_000),
}


def faults(request: RequestKind) -> dict[str, Fault]:
    """Return faults for the middle of a request or of its response, by their kind."""
    found: dict[str, Fault] = {"busy": SendReply(503), "answer lost": LoseReply()}
    if request.sent:
        found |= {"reset": ResetRequest(request.sent // 2), "damaged": CorruptRequest(request.sent // 2)}
    if request.answered:
        half = request.answered // 2
        found |= {"reply reset": ResetReply(half), "reply truncated": Truncate(half)}
        # A flipped bit in the middle of a JSON document may make another valid document, which no client can detect.
        found["reply damaged"] = CorruptReply(0 if request.json else half)
    return found


def stall_faults(request: RequestKind) -> dict[str, Fault]:
    """Return faults that are noticed only after a timeout, by their kind."""
    found: dict[str, Fault] = {"silence": Silence()}
    if request.sent:
        found["stalled"] = StallRequest(request.sent // 2)
    if request.answered and not request.json:
        found["reply stalled"] = StallReply(request.answered // 2)
    return found


HARMLESS = {("capabilities", "reply damaged"), ("deletion", "damaged")}
"""The capabilities are optional, and a list of names to delete has no checksum except that of TCP."""

SIMILAR = {"capabilities", "list of segments", "segments there", "piece"}
"""Requests that use the same code as other kinds: they are left out where each test takes long."""


def transient_faults(requests: Mapping[str, RequestKind], kind: str) -> dict[str, Fault]:
    """Return the faults of a *kind* after which a retry succeeds. A damaged JSON response is an error: see below."""
    quick = {where: faults(request)[kind] for where, request in requests.items() if kind in faults(request)}
    slow = {where: stall_faults(request)[kind] for where, request in requests.items() if kind in stall_faults(request)}
    return {
        where: fault
        for where, fault in {**quick, **{where: fault for where, fault in slow.items() if where not in SIMILAR}}.items()
        if (where, kind) not in HARMLESS and not (kind == "reply damaged" and requests[where].json)
    }


KINDS = sorted({kind for request in UPLOAD_REQUESTS.values() for kind in (*faults(request), *stall_faults(request))})

STALL_KINDS = {kind for request in UPLOAD_REQUESTS.values() for kind in stall_faults(request)}


@pytest.fixture(scope="module")
def direct(swift: SwiftStoreConnection) -> Iterator[SwiftStore]:
    """A store without the proxy."""
    with SwiftStore.open(swift) as opened:
        yield opened


@pytest.fixture
def proxy(swift: SwiftStoreConnection) -> Iterator[FaultProxy]:
    with FaultProxy(swift.auth_url) as one:
        yield one


@pytest.fixture
def store(swift: SwiftStoreConnection, proxy: FaultProxy) -> Iterator[SwiftStore]:
    """A store whose requests pass through the proxy."""
    through = swift.model_copy(update={"auth_url": proxy.auth_url})
    with SwiftStore.open(through, retry_policy=FAST_RETRIES) as opened:
        yield opened


@contextlib.contextmanager
def store_for(store: SwiftStore, kind: str) -> Iterator[SwiftStore]:
    """Yield *store*, or for a fault that stalls an equal store with a short timeout."""
    if kind not in STALL_KINDS:
        yield store
        return
    with SwiftStore.open(store._connection, retry_policy=MANY_RETRIES, read_timeout=SHORT_TIMEOUT) as opened:
        yield opened


@pytest.fixture
def container(direct: SwiftStore) -> str:
    name = f"c-{uuid.uuid4().hex}"
    direct.create_container(name)
    return name


@pytest.fixture
def secrets(swift: SwiftStoreConnection, direct: SwiftStore) -> list[str]:
    """What no error may contain. The proxy's names for a token end in the token."""
    direct.list_containers()
    return [swift.password.get_secret_value(), direct.session._authenticator.get_token().value]


OUTSIDE = {"data.txt": b"beside", "other/small": b"elsewhere"}
"""Objects that no transfer may change."""


@dataclass(frozen=True)
class Uploads:
    """A container, and a folder that is uploaded to it in several versions."""

    direct: SwiftStore
    container: str
    here: Path

    def write(self, version: int, *removed: str) -> Tree:
        """Write a version into the folder, without the files *removed*; return what the container then must contain."""
        tree = {name: random_bytes(size, f"{version} {name}") for name, size in SIZES.items()}
        write_tree(self.here, tree)
        for name in removed:
            (self.here / name).unlink()
        return OUTSIDE | {f"data/{name}": content for name, content in tree.items()}

    def send(self, store: SwiftStore, threads: int | None = None) -> None:
        upload(
            store,
            self.here,
            self.container,
            UploadOptions(prefix="data", delete=True, segment_size=SEGMENT_SIZE, threads=threads),
        )

    def stored(self) -> Tree:
        return contents(self.direct, self.container)


@pytest.fixture
def uploads(direct: SwiftStore, container: str, tmp_path: Path) -> Uploads:
    """Version 0 is stored, with two more files."""
    one = Uploads(direct, container, tmp_path / "here")
    for name, content in OUTSIDE.items():
        direct.put(container, name, content)
    write_tree(one.here, {"gone1": b"1", "gone2": b"2"})
    one.write(0)
    one.send(direct)
    return one


@pytest.mark.parametrize("kind", [kind for kind in KINDS if transient_faults(UPLOAD_REQUESTS, kind)])
def test_upload_survives_a_fault_that_occurs_once(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy, kind: str
) -> None:
    """Each kind of request has one fault."""
    new = uploads.write(1, "gone1", "gone2")
    struck = transient_faults(UPLOAD_REQUESTS, kind)
    for where, fault in struck.items():
        proxy.on(fault, method=UPLOAD_REQUESTS[where].method, path=UPLOAD_REQUESTS[where].pattern)
    with store_for(store, kind) as used_store:
        uploads.send(used_store, threads=1)
    assert {where for where, request in UPLOAD_REQUESTS.items() if request.was_hit(proxy.requests)} == struck.keys()
    assert uploads.stored() == new
    assert not orphans(uploads.direct, uploads.container)


@pytest.mark.parametrize("where", UPLOAD_REQUESTS)
def test_upload_under_a_lasting_fault_fails_and_leaves_no_partial_object(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy, secrets: list[str], where: str
) -> None:
    """One kind of fault after the other, each with a new version of the files."""
    request, there = UPLOAD_REQUESTS[where], uploads.stored()
    removed = ["gone1", "gone2"]
    for version, (kind, fault) in enumerate(faults(request).items(), 1):
        if (where, kind) in HARMLESS or (where in SIMILAR and kind in {"answer lost", "reply reset"}):
            continue
        old, new = there, uploads.write(version, *removed)
        removed = []
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=FAST_RETRIES)
        with fresh, pytest.raises(StoreError) as error:
            uploads.send(fresh)
        assert request.was_hit(proxy.requests), kind
        assert has_clear_message(error.value, *secrets)
        del error
        wait_until_disconnected(proxy)
        there = uploads.stored()
        for name in old.keys() | new.keys() | there.keys():
            assert there.get(name) in (old.get(name), new.get(name)), (kind, name)
        kept = {"small": "data/small", "piece": "data/piece", "segment": "data/large", "joining": "data/large"}
        if kind in {"busy", "reset", "damaged"} and where in kept:
            assert there[kept[where]] == old[kept[where]], kind
        proxy.calm()
        proxy.clear()
    # If an object was stored and its response was lost, only the next change finds the segments that it replaced.
    for version in (100, 101) if where in {"joining", "deletion"} else (100,):
        there = uploads.write(version)
        uploads.send(store)
    assert uploads.stored() == there
    assert not orphans(uploads.direct, uploads.container)


@dataclass(frozen=True)
class Downloads:
    """A container, and a folder with older versions of its files."""

    container: str
    old: Tree
    new: Tree
    there: Path

    def fetch(self, store: SwiftStore, threads: int | None = None) -> None:
        download(
            store,
            self.container,
            self.there,
            DownloadOptions(prefix="data", segment_size=SEGMENT_SIZE, threads=threads),
        )

    def visible(self) -> Tree:
        """The files whose names do not begin with a dot."""
        return {name: content for name, content in read_tree(self.there).items() if not name.startswith(".")}


@pytest.fixture(scope="module")
def versions(direct: SwiftStore, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Tree, Tree]:
    """A container that is only read, older versions of its files, and its files."""
    container = f"c-{uuid.uuid4().hex}"
    direct.create_container(container)
    sizes = SIZES | {"wide": SIZES["large"]}
    old, new = ({name: random_bytes(size, f"{age} {name}") for name, size in sizes.items()} for age in ("old", "new"))
    files = {name: content for name, content in new.items() if name != "wide"}
    upload(
        direct,
        write_tree(tmp_path_factory.mktemp("new"), files),
        container,
        UploadOptions(prefix="data", segment_size=SEGMENT_SIZE),
    )
    direct.put(container, "data/wide", new["wide"])
    return container, old, new


@pytest.fixture
def downloads(versions: tuple[str, Tree, Tree], tmp_path: Path) -> Downloads:
    container, old, new = versions
    return Downloads(container, old, new, write_tree(tmp_path / "there", old))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if transient_faults(DOWNLOAD_REQUESTS, kind)])
def test_download_survives_a_fault_that_occurs_once(
    downloads: Downloads, store: SwiftStore, proxy: FaultProxy, kind: str
) -> None:
    """Each kind of request has one fault."""
    struck = transient_faults(DOWNLOAD_REQUESTS, kind)
    for where, fault in struck.items():
        proxy.on(fault, method=DOWNLOAD_REQUESTS[where].method, path=DOWNLOAD_REQUESTS[where].pattern)
    with store_for(store, kind) as used_store:
        downloads.fetch(used_store, threads=1)
    assert {where for where, request in DOWNLOAD_REQUESTS.items() if request.was_hit(proxy.requests)} == struck.keys()
    assert read_tree(downloads.there) == downloads.new


@pytest.mark.parametrize("where", DOWNLOAD_REQUESTS)
def test_download_under_a_lasting_fault_fails_and_keeps_the_old_files(
    downloads: Downloads, store: SwiftStore, proxy: FaultProxy, secrets: list[str], where: str
) -> None:
    request = DOWNLOAD_REQUESTS[where]
    for kind, fault in faults(request).items():
        write_tree(downloads.there, downloads.old)
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=FAST_RETRIES)
        with fresh, pytest.raises(StoreError) as error:
            downloads.fetch(fresh)
        assert request.was_hit(proxy.requests), kind
        assert has_clear_message(error.value, *secrets)
        there = downloads.visible()
        assert there.keys() == downloads.old.keys()
        for name, content in there.items():
            assert content in (downloads.old[name], downloads.new[name]), (kind, name)
        kept = {"part of segments": "large", "part of one piece": "wide"}.get(where, where)
        assert kept not in there or there[kept] == downloads.old[kept], kind
        proxy.calm()
        proxy.clear()
    downloads.fetch(store)
    assert read_tree(downloads.there) == downloads.new


def test_store_that_sends_no_response_ends_the_transfer_after_the_timeout(
    uploads: Uploads, downloads: Downloads, store: SwiftStore, proxy: FaultProxy
) -> None:
    two = RetryPolicy(attempts=2, first_pause=0.01)
    old, new = uploads.stored(), uploads.write(1)
    cases: list[tuple[RequestKind, Fault, Callable[[SwiftStore], None]]] = [
        (UPLOAD_REQUESTS["login"], Silence(), uploads.send),
        (UPLOAD_REQUESTS["listing"], Silence(), uploads.send),
        (UPLOAD_REQUESTS["segment"], StallRequest(SEGMENT_SIZE // 2), uploads.send),
        (UPLOAD_REQUESTS["joining"], StallRequest(10), uploads.send),
        (DOWNLOAD_REQUESTS["piece"], StallReply(1000), downloads.fetch),
        (DOWNLOAD_REQUESTS["part of segments"], Silence(), downloads.fetch),
    ]
    for request, fault, move in cases:
        write_tree(downloads.there, downloads.old)
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=two, read_timeout=SHORT_TIMEOUT / 2)
        with fresh, pytest.raises(StoreUnreachable, match="in time"):
            move(fresh)
        proxy.calm()
        wait_until_disconnected(proxy)
    there = uploads.stored()
    assert all(there.get(name) in (old.get(name), new.get(name)) for name in old.keys() | there.keys())
    assert downloads.visible()["large"] == downloads.old["large"]


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
    for where in ("listing", "segment", "small", "deletion"):
        request = UPLOAD_REQUESTS[where]
        proxy.on(SendReply(401), method=request.method, path=request.pattern, times=None)
        fresh = SwiftStore.open(store._connection, retry_policy=FAST_RETRIES)
        with fresh, pytest.raises(StoreRefused, match="check the credentials") as error:
            uploads.send(fresh, threads=1)
        assert proxy.count(method=request.method, path=request.pattern) == 2
        assert proxy.logins == 2
        assert has_clear_message(error.value, *secrets)
        name = {"deletion": "data/gone1", "segment": "data/large"}.get(where, "data/small")
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


def test_retry_waits_until_the_date_in_retry_after(container: str, store: SwiftStore, proxy: FaultProxy) -> None:
    proxy.on(SendReply(503, {"Retry-After": formatdate(time.time() + 3, usegmt=True)}), method="PUT", path="/one")
    started = time.monotonic()
    store.put(container, "one", b"new")
    assert time.monotonic() - started >= 1  # a date has whole seconds


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


WRITE_REQUESTS = {"small": "data/small", "piece": "data/piece", "segment": "data/large", "joining": "data/large"}
"""Requests that store content or complete an object, and that object."""

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


def test_download_refuses_a_web_page_instead_of_the_object(
    downloads: Downloads, store: SwiftStore, proxy: FaultProxy
) -> None:
    for where in ("small", "part of segments", "part of one piece"):
        write_tree(downloads.there, downloads.old)
        proxy.on(SendReply(200, body=WEB_PAGE), method="GET", path=DOWNLOAD_REQUESTS[where].pattern, times=None)
        with pytest.raises(StoreError):
            downloads.fetch(store)
        for name, content in downloads.visible().items():
            assert content in (downloads.old[name], downloads.new[name])
        proxy.calm()


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


def test_deletion_whose_response_was_lost_succeeds(
    direct: SwiftStore, container: str, store: SwiftStore, proxy: FaultProxy
) -> None:
    for name in "abc":
        direct.put(container, name, b"x")
    proxy.on(LoseReply(), method="DELETE")
    assert list(delete_objects(store, container, names=["a"])) == ["a"]
    proxy.on(LoseReply(), method="POST")
    assert list(delete_objects(store, container)) == ["b", "c"]
    assert not contents(direct, container)


def test_deletion_of_an_object_that_another_client_deletes_succeeds(
    uploads: Uploads, store: SwiftStore, proxy: FaultProxy
) -> None:
    proxy.on(SendReply(404), method="HEAD", path=re.compile("/data/large$"))
    delete_objects(store, uploads.container, names=["data/large"])
    assert "data/large" not in uploads.stored()
