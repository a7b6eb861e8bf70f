"""
Transfers under faults: a proxy between the client and a real store does to each kind of request what a network can do.

A transfer survives a fault that occurs once. A lasting fault ends it with an error, and every object and file is as it
was before or as it was to become, never anything else. The tests read the store directly to check this.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any

import pytest

from airflow_dlaas._util.retry import RetryPolicy
from airflow_dlaas.exceptions import StoreError, StoreFull, StoreUnreachable
from airflow_dlaas.storage.open_object_store import OpenedStore
from airflow_dlaas.storage.transfer.api import delete_objects
from tests.fault_proxy import Fault, FaultProxy, LoseReply, SendReply, Silence, StallReply, StallRequest
from tests.object_stores.fault_requests import WRITES, RequestKind, Requests, faults, kinds_of, transient_faults
from tests.object_stores.faulted import DIALECTS, SHORT_TIMEOUT, Downloads, FaultedStore, Move, Uploads
from tests.stored import contents, has_clear_message, read_tree, wait_until_disconnected, write_tree

QUICK = ("swift", "embedded_s3")
"""
Stores whose tests run in CI; those of the others are long.

Only they have the tests of lasting faults: the others do not check what arrives, or cannot serve a client that resets
many connections.
"""


def marks_of(name: str) -> tuple[pytest.MarkDecorator, ...]:
    if name in QUICK:
        return ()
    # The emulator of Google Cloud Storage does not close the connection of a client that has disconnected.
    ignored = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    return (pytest.mark.long, ignored) if name == "gcs" else (pytest.mark.long,)


def uploads_of(name: str) -> Requests:
    return DIALECTS[name].uploads


def downloads_of(name: str) -> Requests:
    return DIALECTS[name].downloads


def writes_of(name: str) -> list[str]:
    """Return the requests that a full store refuses; Google Cloud Storage is never full."""
    return [] if name == "gcs" else [where for where in WRITES if where in DIALECTS[name].uploads]


each_store = pytest.mark.parametrize(
    "store_name", [pytest.param(name, marks=marks_of(name)) for name in DIALECTS], indirect=True
)


def with_each(
    argument: str, choices: Callable[[str], Iterable[Any]], stores: Iterable[str] = tuple(DIALECTS)
) -> pytest.MarkDecorator:
    """Parametrize by store, and *argument* by its *choices*."""
    rows = [
        pytest.param(name, one, marks=marks_of(name), id=f"{name}-{one}") for name in stores for one in choices(name)
    ]
    return pytest.mark.parametrize(("store_name", argument), rows, indirect=["store_name"])


@with_each("kind", lambda name: kinds_of(uploads_of(name)))
def test_upload_survives_a_fault_that_occurs_once(faulted: FaultedStore, uploads: Uploads, kind: str) -> None:
    """Each kind of request has one fault."""
    new, requests, proxy = uploads.write(1, "gone1", "gone2"), faulted.dialect.uploads, faulted.proxy
    struck = transient_faults(requests, kind)
    for where, fault in struck.items():
        proxy.on(fault, method=requests[where].method, path=requests[where].pattern)
    with faulted.open_for(kind) as store:
        uploads.send(store, threads=1)
    assert {where for where, request in requests.items() if request.was_hit(proxy.requests)} == struck.keys()
    assert uploads.stored() == new
    if faulted.leftovers(uploads.direct, uploads.container):
        # The response to the beginning of an upload was lost: the next upload of this name finds it.
        new = uploads.write(2)
        uploads.send(uploads.direct)
        assert uploads.stored() == new
    assert not faulted.leftovers(uploads.direct, uploads.container)


@with_each("where", uploads_of, QUICK)
def test_upload_under_a_lasting_fault_fails_and_leaves_no_partial_object(
    faulted: FaultedStore, uploads: Uploads, where: str
) -> None:
    """One kind of fault after the other, each with a new version of the files."""
    request, proxy, there = faulted.dialect.uploads[where], faulted.proxy, uploads.stored()
    removed = ["gone1", "gone2"]
    for version, (kind, fault) in enumerate(faults(request).items(), 1):
        if kind in request.harmless | request.recovered or (request.similar and kind in {"answer lost", "reply reset"}):
            continue
        if where == "deletion":
            for name in ("gone1", "gone2"):
                uploads.direct.put(uploads.container, f"data/{name}", b"x")
            there = uploads.stored()
        old, new = there, uploads.write(version, *removed)
        removed = []
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        with faulted.open() as store, pytest.raises(StoreError) as error:
            uploads.send(store)
        assert request.was_hit(proxy.requests), kind
        assert has_clear_message(error.value, *faulted.secrets)
        del error
        wait_until_disconnected(proxy)
        there = uploads.stored()
        for name in old.keys() | new.keys() | there.keys():
            assert there.get(name) in (old.get(name), new.get(name)), (kind, name)
        if kind in {"busy", "reset", "damaged"} and where in WRITES:
            assert there[WRITES[where]] == old[WRITES[where]], kind
        proxy.calm()
        proxy.clear()
        if where == "beginning":  # without this, the next upload may resume one whose beginning was not answered
            uploads.send(uploads.direct)
            there = uploads.stored()
    # If an object was stored and its response was lost, only the next change finds the parts that it replaced.
    with faulted.open() as store:
        for version in (100, 101) if where in {"joining", "deletion"} else (100,):
            there = uploads.write(version)
            uploads.send(store)
    assert uploads.stored() == there
    assert not faulted.leftovers(uploads.direct, uploads.container)


@with_each("kind", lambda name: kinds_of(downloads_of(name)))
def test_download_survives_a_fault_that_occurs_once(faulted: FaultedStore, downloads: Downloads, kind: str) -> None:
    """Each kind of request has one fault."""
    requests, proxy = faulted.dialect.downloads, faulted.proxy
    struck = transient_faults(requests, kind)
    for where, fault in struck.items():
        proxy.on(fault, method=requests[where].method, path=requests[where].pattern)
    with faulted.open_for(kind) as store:
        downloads.fetch(store, threads=1)
    assert {where for where, request in requests.items() if request.was_hit(proxy.requests)} == struck.keys()
    assert read_tree(downloads.there) == downloads.new


@with_each("where", downloads_of, QUICK)
def test_download_under_a_lasting_fault_fails_and_keeps_the_old_files(
    faulted: FaultedStore, downloads: Downloads, where: str
) -> None:
    request, proxy = faulted.dialect.downloads[where], faulted.proxy
    for kind, fault in faults(request).items():
        write_tree(downloads.there, downloads.old)
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        with faulted.open() as store, pytest.raises(StoreError) as error:
            downloads.fetch(store)
        assert request.was_hit(proxy.requests), kind
        assert has_clear_message(error.value, *faulted.secrets)
        there = downloads.visible()
        assert there.keys() == downloads.old.keys()
        for name, content in there.items():
            assert content in (downloads.old[name], downloads.new[name]), (kind, name)
        kept = {"part of parts": "large", "part of one piece": "wide"}.get(where, where)
        assert kept not in there or there[kept] == downloads.old[kept], kind
        proxy.calm()
        proxy.clear()
    with faulted.open() as store:
        downloads.fetch(store)
    assert read_tree(downloads.there) == downloads.new


@pytest.mark.parametrize("store_name", QUICK, indirect=True)
def test_store_that_sends_no_response_ends_the_transfer_after_the_timeout(
    faulted: FaultedStore, uploads: Uploads, downloads: Downloads
) -> None:
    sent, fetched, proxy = faulted.dialect.uploads, faulted.dialect.downloads, faulted.proxy
    old, new = uploads.stored(), uploads.write(1)
    cases: list[tuple[RequestKind, Fault, Move]] = [
        (sent["listing"], Silence(), uploads.send),
        (sent["part"], StallRequest(faulted.dialect.part_size // 2), uploads.send),
        (sent["joining"], StallRequest(10), uploads.send),
        (fetched["piece"], StallReply(1000), downloads.fetch),
        (fetched["part of parts"], Silence(), downloads.fetch),
    ]
    for request, fault, move in cases:
        write_tree(downloads.there, downloads.old)
        proxy.on(fault, method=request.method, path=request.pattern, times=None)
        short = faulted.open(RetryPolicy(attempts=2, first_pause=0.01), SHORT_TIMEOUT / 2)
        with short as store, pytest.raises(StoreUnreachable, match="in time"):
            move(store)
        proxy.calm()
        wait_until_disconnected(proxy)
    there = uploads.stored()
    assert all(there.get(name) in (old.get(name), new.get(name)) for name in old.keys() | there.keys())
    assert downloads.visible()["large"] == downloads.old["large"]


# ---- Retry-After, and a full store


PUT_OF_ONE = re.compile(r"/one$|uploadType=")
"""The request that stores the object ``one``."""


@with_each("status", lambda _: [503, 429])
def test_retry_waits_as_long_as_retry_after_requests(
    store: OpenedStore, container: str, proxy: FaultProxy, status: int
) -> None:
    proxy.on(SendReply(status, {"Retry-After": "1"}), path=PUT_OF_ONE)
    started = time.monotonic()
    store.put(container, "one", b"new")
    assert time.monotonic() - started >= 1
    assert proxy.count(path=PUT_OF_ONE) == 2


@each_store
def test_retry_waits_until_the_date_in_retry_after(store: OpenedStore, container: str, proxy: FaultProxy) -> None:
    proxy.on(SendReply(503, {"Retry-After": formatdate(time.time() + 3, usegmt=True)}), path=PUT_OF_ONE)
    started = time.monotonic()
    store.put(container, "one", b"new")
    assert time.monotonic() - started >= 1  # a date has whole seconds


@each_store
def test_retry_after_longer_than_the_limit_ends_the_retries(
    store: OpenedStore, container: str, proxy: FaultProxy
) -> None:
    proxy.on(SendReply(503, {"Retry-After": "31"}), path=PUT_OF_ONE, times=None)
    with pytest.raises(StoreUnreachable, match="503"):
        store.put(container, "one", b"new")
    assert proxy.count(path=PUT_OF_ONE) == 1


@with_each("where", writes_of)
def test_full_store_is_reported_without_a_retry(
    faulted: FaultedStore, store: OpenedStore, uploads: Uploads, where: str
) -> None:
    request, proxy, old = faulted.dialect.uploads[where], faulted.proxy, uploads.stored()
    uploads.write(1)
    full = SendReply(507, body=b"<html>There was not enough space to save the resource.</html>")
    proxy.on(full, method=request.method, path=request.pattern, times=None)
    with pytest.raises(StoreFull, match="disks are full"):
        uploads.send(store)
    proxy.calm()
    assert uploads.stored()[WRITES[where]] == old[WRITES[where]]


WEB_PAGE = b"<html><body>Welcome! Please log in.</body></html>"


@each_store
def test_download_refuses_a_web_page_instead_of_the_object(
    faulted: FaultedStore, store: OpenedStore, downloads: Downloads
) -> None:
    for where in ("small", "part of parts", "part of one piece"):
        write_tree(downloads.there, downloads.old)
        path = faulted.dialect.downloads[where].pattern
        faulted.proxy.on(SendReply(200, body=WEB_PAGE), method="GET", path=path, times=None)
        with pytest.raises(StoreError):
            downloads.fetch(store)
        for name, content in downloads.visible().items():
            assert content in (downloads.old[name], downloads.new[name])
        faulted.proxy.calm()


@each_store
def test_listing_that_is_no_listing_raises_store_error(
    faulted: FaultedStore, store: OpenedStore, downloads: Downloads
) -> None:
    request = faulted.dialect.downloads["listing"]
    for answer in (WEB_PAGE, b"", b"[7]", b"{}", b"\xff", b"<a>"):
        faulted.proxy.on(SendReply(200, body=answer), method="GET", path=request.pattern, times=None)
        before = downloads.visible()
        with pytest.raises(StoreError):
            downloads.fetch(store)
        assert downloads.visible() == before
        faulted.proxy.calm()


@each_store
def test_deletion_whose_response_was_lost_succeeds(
    direct: OpenedStore, container: str, store: OpenedStore, proxy: FaultProxy
) -> None:
    for name in "abc":
        direct.put(container, name, b"x")
    proxy.on(LoseReply(), method="DELETE")
    assert list(delete_objects(store, container, names=["a"])) == ["a"]
    proxy.on(LoseReply(), method="POST")
    assert list(delete_objects(store, container)) == ["b", "c"]
    assert not contents(direct, container)
