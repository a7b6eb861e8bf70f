"""Responses of S3 that the servers at hand do not send: regions, redirects, late errors, encryption."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from airflow_dlaas.contract.stores import S3StoreConnection
from airflow_dlaas.exceptions import Corrupted, StoreError, StoreNotAllowed, StoreRedirected, StoreUnreachable
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.open_object_store import OpenOptions, open_object_store
from airflow_dlaas.storage.s3.store import S3Store
from airflow_dlaas.storage.segments import multipart_etag
from tests.integration.storage.s3.conftest import SECRET
from tests.integration.storage.s3.scripted_s3 import ScriptedS3, error
from tests.redirector import STATUSES, Server
from tests.redirector import serving as serving_target
from tests.stored import error_texts

CONTENT = b"content" * 1000
OTHER_MD5 = "0" * 32
KMS = {"x-amz-server-side-encryption": "aws:kms"}
EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def md5_of(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def regions(server: ScriptedS3) -> list[str]:
    """Return the region that each request was signed for."""
    return [one.headers["authorization"].split("/")[2] for one in server.asked]


@pytest.mark.parametrize(
    "response",
    [
        error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
        error(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-west-1"}),
    ],
    ids=["400", "301"],
)
def test_region_of_a_bucket_is_learned_from_the_first_response(server: ScriptedS3, store: S3Store, response):
    server.script = [response]
    server.default_response = (200, {}, EMPTY_LIST)
    store.check("box")
    store.check("box")
    store.check("other")
    assert regions(server) == ["us-east-1", "eu-west-1", "eu-west-1", "us-east-1"]


def test_content_is_sent_again_for_the_right_region(server: ScriptedS3, store: S3Store):
    server.script = [error(400, "AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>")]
    server.default_response = (200, {"ETag": md5_of(CONTENT)}, b"")
    assert store.put("box", "a", CONTENT) == md5_of(CONTENT)
    assert [one.body for one in server.asked] == [CONTENT, CONTENT]


def test_region_that_changes_with_each_response_ends_with_an_error(server: ScriptedS3, store: S3Store):
    server.script = [error(301, "PermanentRedirect", f"<Region>eu-west-{n}</Region>") for n in (1, 2, 3)]
    with pytest.raises(StoreRedirected):
        store.check("box")
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", STATUSES)
def test_redirect_is_not_followed(server: ScriptedS3, store: S3Store, status: int):
    with serving_target(Server()) as target:
        server.default_response = (status, {"Location": f"{target.url}/box/a"}, b"")
        with pytest.raises(StoreRedirected, match=target.url) as caught:
            store.put("box", "a", CONTENT)
        assert target.asked == []
    assert "endpoint_url" in str(caught.value)
    assert len(server.asked) == 1


def test_server_that_asks_for_a_later_request_gets_it(server: ScriptedS3, store: S3Store):
    server.script = [error(503, "SlowDown", **{"Retry-After": "0"}), error(500, "InternalError")]
    server.default_response = (200, {}, EMPTY_LIST)
    assert list(store.list_objects("box")) == []
    assert len(server.asked) == 3


def test_longer_wait_than_the_policy_permits_is_an_error(server: ScriptedS3, store: S3Store):
    server.default_response = error(503, "SlowDown", **{"Retry-After": "600"})
    with pytest.raises(StoreUnreachable, match="SlowDown"):
        list(store.list_objects("box"))
    assert len(server.asked) == 1


def test_error_after_the_status_of_a_copy_is_an_error(server: ScriptedS3, store: S3Store):
    head = (200, {"ETag": md5_of(CONTENT), "Content-Length": "7000"}, b"")
    server.script = [head, (200, {}, b" <Error><Code>InternalError</Code></Error>")]
    server.default_response = (200, {}, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>")
    assert store.copy("box", "a", "box", "b")
    assert [one.method for one in server.asked] == ["HEAD", "PUT", "PUT"]


UPLOADS = (200, {}, b"<ListMultipartUploadsResult/>")
BEGUN = (200, {}, b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>")


def test_error_after_the_status_of_a_completion_is_an_error(server: ScriptedS3, store: S3Store):
    late = (200, {}, b"\n\n<Error><Code>InvalidPart</Code></Error>")
    server.script = [UPLOADS, BEGUN, (200, {"ETag": md5_of(CONTENT)}, b""), late, late, late]
    upload = store.begin_multipart("box", "a", size=7000, part_size=7000)
    upload.put_part(0, BytesBody(CONTENT))
    with pytest.raises(Corrupted, match="replaced"):
        upload.complete()


def test_completion_whose_response_was_lost_is_complete(server: ScriptedS3, store: S3Store):
    etag = multipart_etag([md5_of(CONTENT)])
    head = {"ETag": f'"{etag}"', "Content-Length": "7000", "Last-Modified": "Tue, 01 Dec 2026 15:00:00 GMT"}
    part = (200, {"ETag": md5_of(CONTENT)}, b"")
    server.script = [UPLOADS, BEGUN, part, error(500, "InternalError"), error(404, "NoSuchUpload"), (200, head, b"")]
    upload = store.begin_multipart("box", "a", size=7000, part_size=7000)
    upload.put_part(0, BytesBody(CONTENT))
    upload.complete()
    assert server.asked[-1].method == "HEAD"


def test_upload_whose_id_was_lost_is_used(server: ScriptedS3, store: S3Store):
    created = b"""<ListMultipartUploadsResult><Upload><Key>a</Key><UploadId>7</UploadId></Upload>
    <Upload><Key>ab</Key><UploadId>8</UploadId></Upload></ListMultipartUploadsResult>"""
    server.script = [UPLOADS, error(500, "InternalError"), (200, {}, created), (200, {"ETag": md5_of(CONTENT)}, b"")]
    upload = store.begin_multipart("box", "a", size=7000, part_size=7000)
    upload.put_part(0, BytesBody(CONTENT))
    assert "uploadId=7" in server.asked[-1].path


def test_response_that_was_cut_is_no_response(server: ScriptedS3, store: S3Store):
    cut = (200, {"Content-Length": "200", "Connection": "close"}, b"<DeleteResult><Err")
    server.script = [cut, (200, {}, b"<DeleteResult/>")]
    store.delete("box", ["a", "b"])
    assert len(server.asked) == 2


def test_damaged_part_is_sent_again(server: ScriptedS3, store: S3Store):
    server.script = [UPLOADS, BEGUN, (200, {"ETag": OTHER_MD5}, b""), (200, {"ETag": md5_of(CONTENT)}, b"")]
    upload = store.begin_multipart("box", "a", size=7000, part_size=7000)
    assert upload.put_part(0, BytesBody(CONTENT)) == md5_of(CONTENT)
    assert len(server.asked) == 4


def test_parts_of_an_encrypted_object_are_compared_by_the_server(server: ScriptedS3, store: S3Store):
    server.script = [UPLOADS, (200, KMS, BEGUN[2])]
    server.default_response = (200, {"ETag": OTHER_MD5} | KMS, b"")
    upload = store.begin_multipart("box", "a", size=7000, part_size=7000)
    assert upload.put_part(0, BytesBody(CONTENT)) == md5_of(CONTENT)
    assert "content-md5" in server.asked[-1].headers
    assert len(server.asked) == 3


def test_encrypted_content_is_not_taken_for_damaged(server: ScriptedS3, store: S3Store, tmp_path: Path):
    server.default_response = (200, {"ETag": OTHER_MD5} | KMS, b"")
    assert store.put("box", "a", CONTENT) == md5_of(CONTENT)
    server.default_response = (200, {"ETag": OTHER_MD5} | KMS, CONTENT)
    assert store.get("box", "a", tmp_path / "a") == len(CONTENT)
    assert store.get_layout("box", "a").md5 is None


def test_listing_of_an_encrypted_container_has_no_md5s(server: ScriptedS3, store: S3Store):
    page = b"""<ListBucketResult><Contents><Key>a</Key><Size>7</Size><ETag>00000000000000000000000000000000</ETag>
    <LastModified>2026-01-01T00:00:00Z</LastModified></Contents></ListBucketResult>"""
    server.script = [(200, {}, page), (200, {"ETag": OTHER_MD5} | KMS, b"")]
    server.default_response = (200, {}, page)
    assert [(one.md5, one.digest) for one in store.list_objects("box")] == [(None, f"etag:{OTHER_MD5}")]
    assert [one.md5 for one in store.list_objects("box")] == [None]
    assert [one.method for one in server.asked] == ["GET", "HEAD", "GET"]


def test_content_that_differs_from_its_etag_is_not_stored_as_a_file(server: ScriptedS3, store: S3Store, tmp_path: Path):
    server.default_response = (200, {"ETag": OTHER_MD5}, CONTENT)
    with pytest.raises(Corrupted, match="MD5"):
        store.get("box", "a", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert len(server.asked) == 3


def test_parts_of_unequal_sizes_are_verified_by_the_second_attempt(server: ScriptedS3, store: S3Store, tmp_path: Path):
    pieces = [CONTENT[:2000], CONTENT[2000:3500], CONTENT[3500:6000], CONTENT[6000:]]
    headers = {"ETag": multipart_etag(map(md5_of, pieces)), "x-amz-mp-parts-count": "4"}
    get = (200, headers, CONTENT)
    heads = [(200, headers | {"Content-Length": str(len(one))}, b"") for one in pieces]
    server.script = [get, heads[0], heads[3], get, *heads]
    assert store.get("box", "a", tmp_path / "a") == len(CONTENT)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_objects_are_deleted_one_by_one_by_a_server_without_bulk_deletion(server: ScriptedS3, store: S3Store):
    server.script = [error(501, "NotImplemented")]
    server.default_response = (204, {}, b"")
    store.delete("box", ["a", "b"])
    store.delete("box", ["c", "d"])
    assert [one.method for one in server.asked] == ["POST", *["DELETE"] * 4]


def test_objects_that_were_not_deleted_are_named(server: ScriptedS3, store: S3Store):
    failed = "<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    server.default_response = (200, {}, failed.encode())
    with pytest.raises(StoreError, match=r"b \(AccessDenied\)"):
        store.delete("box", ["a", "b"])
    assert len(server.asked) == 1


def test_listing_without_end_is_an_error(server: ScriptedS3, store: S3Store):
    page = """<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>
    </ListBucketResult>"""
    server.default_response = (200, {}, page.encode())
    with pytest.raises(StoreError, match="without end"):
        list(store.list_objects("box"))


@pytest.mark.parametrize("body", [b"<html>login</html>", b"", b"not XML"])
def test_server_that_is_no_s3_is_an_error_that_names_the_url(server: ScriptedS3, store: S3Store, body: bytes):
    server.default_response = (200, {}, body)
    with pytest.raises(StoreError, match="endpoint_url"):
        list(store.list_objects("box"))


def test_no_secret_is_in_an_error(server: ScriptedS3, store: S3Store):
    server.default_response = error(403, "SignatureDoesNotMatch", f"<StringToSign>{SECRET}</StringToSign>")
    with pytest.raises(StoreError) as caught:
        store.check("box")
    assert SECRET not in error_texts(caught.value)
    assert SECRET not in repr(store)


def test_requests_without_keys_are_not_signed(server: ScriptedS3):
    server.default_response = (200, {}, EMPTY_LIST)
    connection = S3StoreConnection(endpoint_url=server.url, anonymous=True)
    with open_object_store(connection) as store:
        assert list(store.list_objects("box")) == []
    assert not {"authorization", "x-amz-date"} & server.asked[0].headers.keys()


def test_temporary_credentials_have_their_token(server: ScriptedS3, connection: S3StoreConnection):
    server.default_response = (200, {}, EMPTY_LIST)
    keys = connection.model_dump(context={"reveal": True}) | {"session_token": "a-token"}
    with open_object_store(S3StoreConnection.model_validate(keys)) as store:
        store.check("box")
    headers = server.asked[0].headers
    assert headers["x-amz-security-token"] == "a-token"
    assert "x-amz-security-token" in headers["authorization"]


def test_host_of_the_bucket_must_be_allowed(server: ScriptedS3, connection: S3StoreConnection):
    def require_allowed(url: str) -> None:
        if urlsplit(url).hostname != "127.0.0.1":
            raise StoreNotAllowed(url)

    virtual = connection.model_copy(update={"addressing": "virtual"})
    with open_object_store(virtual, OpenOptions(require_allowed=require_allowed)) as store:
        with pytest.raises(StoreNotAllowed, match=r"http://box\.127"):
            store.check("box")
        assert server.asked == []
