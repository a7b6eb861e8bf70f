from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_dlaas.storage.s3 import responses

MD5 = "9dd4e461268c8034f5c8564e155c67a6"
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)

PAGE = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>next=</NextContinuationToken>
<Contents><Key>b+c%2B%C3%A9</Key><Size>5</Size><ETag>"{MD5.upper()}"</ETag>
<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>
<Contents><Key>d/</Key><Size>0</Size><ETag>&quot;{MD5}-2&quot;</ETag><LastModified>2026-01-01T00:00:00Z</LastModified>
</Contents>
<CommonPrefixes><Prefix>a%2F</Prefix></CommonPrefixes>
</ListBucketResult>""".encode()


def test_page_of_a_listing_has_objects_and_folders_in_their_order():
    page = responses.parse_objects_page(PAGE)
    assert page.next_token == "next="
    folder, first, second = page.entries
    assert folder == "a/"
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert (first.name, first.size, first.md5, first.modified) == ("b c+é", 5, MD5, NOW)
    assert (second.name, second.md5, second.multipart_etag, second.is_folder_marker) == ("d/", None, f"{MD5}-2", True)


def test_names_are_taken_as_they_are_from_a_server_that_does_not_quote_them():
    page = responses.parse_objects_page(PAGE.replace(b"<EncodingType>url</EncodingType>", b""))
    assert [one if isinstance(one, str) else one.name for one in page.entries] == ["a%2F", "b+c%2B%C3%A9", "d/"]


def test_etags_that_are_no_checksums_identify_the_content_only():
    page = responses.parse_objects_page(PAGE, etags_are_checksums=False)
    one = page.entries[1]
    assert not isinstance(one, str)
    assert (one.md5, one.etag, one.digest) == (None, MD5, f"etag:{MD5}")


@pytest.mark.parametrize("etag", [f'"{MD5}-N"', '"opaque-Value"', f'"{MD5[:-1]}"'])
def test_etag_of_another_form_is_no_md5(etag: str):
    one = responses.stored_object("a", 1, etag, NOW)
    assert (one.md5, one.multipart_etag, one.etag) == (None, None, etag.strip('"'))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"x-amz-server-side-encryption": "AES256"}, False),
        ({"x-amz-server-side-encryption": "aws:kms"}, True),
        ({"x-amz-server-side-encryption": "aws:kms:dsse"}, True),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, True),
    ],
)
def test_encryption_decides_whether_an_etag_is_a_checksum(headers: dict[str, str], *, expected: bool):
    assert responses.has_other_etag(headers) is expected


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<ListBucketResult><Name>&b;</Name></ListBucketResult>"""


@pytest.mark.parametrize(
    "body",
    [ENTITIES, ENTITIES.decode().encode("utf-16"), b"", b"<html>", b"\xff", b"<Other/>", PAGE[:300]],
    ids=["entities", "entities in UTF-16", "empty", "HTML", "no UTF-8", "another document", "cut"],
)
def test_documents_of_other_servers_are_refused(body: bytes):
    with pytest.raises(ValueError):  # noqa: PT011 - the message is that of the parser
        responses.parse_objects_page(body)


def test_blanks_before_a_late_response_are_skipped():
    body = b"\n  \n<?xml version='1.0'?><CompleteMultipartUploadResult><ETag>x-1</ETag></CompleteMultipartUploadResult>"
    assert responses.parse_result_etag(body) == "x-1"


def test_error_document_has_no_more_than_code_region_and_endpoint():
    body = b"<Error><Code>PermanentRedirect</Code><Endpoint>b.s3.x</Endpoint><Region>eu-west-1</Region></Error>"
    assert responses.parse_error(body) == responses.ErrorDocument("PermanentRedirect", "eu-west-1", "b.s3.x")
    assert responses.parse_error(b"<html>down</html>") == responses.ErrorDocument()
    assert responses.parse_error(b"<Error><Code>a b\n</Code></Error>").code == ""


def test_pages_of_uploads_and_parts_name_where_the_next_one_begins():
    uploads = b"""<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>
    <Upload><Key>a</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>"""
    assert responses.parse_uploads_page(uploads) == responses.UploadsPage([("a", "1")], ("a", "1"))
    assert responses.parse_uploads_page(uploads.replace(b"true", b"false")).next_markers is None
    parts = f"""<ListPartsResult><IsTruncated>true</IsTruncated>
    <Part><PartNumber>3</PartNumber><Size>7</Size><ETag>"{MD5}"</ETag></Part></ListPartsResult>""".encode()
    assert responses.parse_parts_page(parts) == ([responses.UploadedPart(3, 7, MD5)], 3)
