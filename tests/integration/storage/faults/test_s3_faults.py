"""Faults that only a store of S3 has: credentials that end during a transfer, and errors behind the status 200."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import Corrupted, StoreError, StoreFull, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.open_object_store import OpenedStore
from tests.fault_proxy import SendReply
from tests.object_stores.fault_requests import S3_DOWNLOADS, S3_UPLOADS, WRITES
from tests.object_stores.faulted import Downloads, FaultedStore, Uploads
from tests.stored import has_clear_message

pytestmark = pytest.mark.parametrize("store_name", ["embedded_s3"], indirect=True)


def reply(status: int, code: str, **headers: str) -> SendReply:
    """Return a response of S3 with an error."""
    body = f"<Error><Code>{code}</Code><Message>made up</Message></Error>".encode()
    return SendReply(status, {"Content-Type": "application/xml", **headers}, body)


@pytest.mark.parametrize("where", ["listing", "part", "joining", "small", "deletion"])
def test_credentials_that_expire_during_an_upload_end_it_at_once(
    faulted: FaultedStore, store: OpenedStore, uploads: Uploads, where: str
) -> None:
    request, proxy, old = S3_UPLOADS[where], faulted.proxy, uploads.stored()
    uploads.write(1, "gone1", "gone2")
    proxy.on(reply(400, "ExpiredToken"), method=request.method, path=request.pattern, times=None)
    with pytest.raises(StoreRefused, match="expired") as error:
        uploads.send(store, threads=1)
    assert proxy.count(method=request.method, path=request.pattern) == 1
    assert has_clear_message(error.value, *faulted.secrets)
    name = WRITES.get(where, "data/gone1")
    assert uploads.stored()[name] == old[name]
    proxy.calm()
    new = uploads.write(2)
    uploads.send(store)
    assert uploads.stored() == new


@pytest.mark.parametrize("where", S3_DOWNLOADS)
def test_credentials_that_expire_during_a_download_end_it_at_once(
    faulted: FaultedStore, store: OpenedStore, downloads: Downloads, where: str
) -> None:
    request = S3_DOWNLOADS[where]
    faulted.proxy.on(reply(400, "ExpiredToken"), method=request.method, path=request.pattern, times=None)
    with pytest.raises(StoreRefused, match="expired"):
        downloads.fetch(store, threads=1)
    assert faulted.proxy.count(method=request.method, path=request.pattern) == 1
    faulted.proxy.calm()
    downloads.fetch(store)


KINDS: list[tuple[int, str, type[StoreError]]] = [
    (503, "SlowDown", StoreUnreachable),
    (500, "InternalError", StoreUnreachable),
    (400, "RequestTimeout", StoreUnreachable),
    (403, "AccessDenied", StoreRefused),
    (403, "RequestTimeTooSkewed", StoreRefused),
    (403, "QuotaExceeded", StoreFull),
    (400, "BadDigest", Corrupted),
]


@pytest.mark.parametrize(("status", "code", "kind"), KINDS, ids=[code for _, code, _ in KINDS])
def test_code_of_a_response_selects_the_error(
    store: OpenedStore, container: str, faulted: FaultedStore, status: int, code: str, kind: type[StoreError]
) -> None:
    faulted.proxy.on(reply(status, code), path="one", times=None)
    with pytest.raises(kind) as error:
        store.put(container, "one", b"new")
    assert type(error.value) is kind
    is_retried = kind in {StoreUnreachable, Corrupted}
    assert faulted.proxy.count(path="one") == (3 if is_retried else 1)


@pytest.mark.parametrize(
    ("code", "kind"), [("InternalError", StoreUnreachable), ("InvalidPart", Corrupted), ("AccessDenied", StoreError)]
)
def test_error_behind_the_status_200_is_found_when_an_object_is_completed(
    faulted: FaultedStore, store: OpenedStore, uploads: Uploads, code: str, kind: type[StoreError]
) -> None:
    request, old = S3_UPLOADS["joining"], uploads.stored()
    uploads.write(1)
    faulted.proxy.on(reply(200, code), method=request.method, path=request.pattern, times=None)
    with pytest.raises(kind):
        uploads.send(store)
    assert uploads.stored()["data/large"] == old["data/large"]


def test_error_for_one_of_several_deletions_is_raised(
    store: OpenedStore, container: str, faulted: FaultedStore, direct: OpenedStore
) -> None:
    for name in "ab":
        direct.put(container, name, b"x")
    failed = b"<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    faulted.proxy.on(SendReply(200, body=failed), method="POST")
    with pytest.raises(StoreError, match=r"b \(AccessDenied\)"):
        store.delete(container, ["a", "b"])


def test_listing_that_repeats_a_page_fails(store: OpenedStore, container: str, faulted: FaultedStore) -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>a</Key><Size>1</Size><ETag>e</ETag><LastModified>2026-01-01T00:00:00Z</LastModified>"
        b"</Contents></ListBucketResult>"
    )
    faulted.proxy.on(SendReply(200, body=page), method="GET", path="list-type=2", times=None)
    with pytest.raises(StoreError, match="without end"):
        list(store.list_objects(container))
