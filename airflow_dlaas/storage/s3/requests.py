"""The requests of S3's operations, as values: they have no address, no signature and no credential. No I/O."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote
from xml.sax.saxutils import escape

from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.s3.addressing import DEFAULT_REGION, UNRESERVED
from airflow_dlaas.storage.s3.signing import EMPTY_PAYLOAD, UNSIGNED_PAYLOAD

_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@dataclass(frozen=True, slots=True)
class S3Request:
    """A request. One with content that is streamed has no `body`; the content is sent with it."""

    method: str
    bucket: str = ""
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """A document."""
    payload_hash: str = EMPTY_PAYLOAD
    """The SHA-256 of the body, or what replaces it in the signature."""

    @property
    def sent_query(self) -> str:
        """The query as it is sent, with its question mark."""
        pairs = (f"{_quote(key)}={_quote(value)}" if value else _quote(key) for key, value in self.query.items())
        return "?" + "&".join(pairs) if self.query else ""

    @property
    def signed_query(self) -> str:
        """The query as it is signed."""
        return "&".join(sorted(f"{_quote(key)}={_quote(value)}" for key, value in self.query.items()))


def _quote(text: str) -> str:
    return quote(text, safe=UNRESERVED)


def content_md5(md5: str) -> str:
    """Return the Content-MD5 header for an MD5 in hex."""
    return base64.b64encode(bytes.fromhex(md5)).decode()


def is_in_xml(name: str) -> bool:
    """Whether XML 1.0 can have *name*: it has no way to write most control characters."""
    return all(character >= " " or character in "\t\n\r" for character in name) and not {"\ufffe", "\uffff"} & {*name}


def list_buckets(token: str = "") -> S3Request:
    """List the buckets, from *token* of the page before on."""
    return S3Request("GET", query={"continuation-token": token} if token else {})


def create_bucket(bucket: str, region: str) -> S3Request:
    """Create a bucket in *region*. The default region must not be named."""
    if region == DEFAULT_REGION:
        return S3Request("PUT", bucket)
    return _with_document(
        "PUT",
        bucket,
        {},
        f"<CreateBucketConfiguration {_NAMESPACE}><LocationConstraint>{escape(region)}</LocationConstraint>"
        "</CreateBucketConfiguration>",
    )


def delete_bucket(bucket: str) -> S3Request:
    """Delete a bucket."""
    return S3Request("DELETE", bucket)


def list_objects(bucket: str, prefix: str, token: str, *, delimiter: str = "", limit: int = 0) -> S3Request:
    """
    List a page of objects, from *token* of the page before on.

    Names are requested in the encoding of URLs: XML cannot have all of them.
    """
    query = {"list-type": "2", "encoding-type": "url"}
    query |= {"prefix": prefix} if prefix else {}
    query |= {"continuation-token": token} if token else {}
    query |= {"delimiter": delimiter} if delimiter else {}
    query |= {"max-keys": str(limit)} if limit else {}
    return S3Request("GET", bucket, query=query)


def head_object(bucket: str, name: str, part_number: int = 0) -> S3Request:
    """Read the headers of an object, or of one of its parts, which begin with 1."""
    return S3Request("HEAD", bucket, name, {"partNumber": str(part_number)} if part_number else {})


def get_object(bucket: str, name: str, headers: Mapping[str, str]) -> S3Request:
    """Read an object, or the range in *headers*."""
    return S3Request("GET", bucket, name, headers=headers)


def put_object(bucket: str, name: str, md5: str, content_type: str | None = None) -> S3Request:
    """Store an object with the MD5 *md5*, which the server compares before it replaces anything."""
    headers = {"Content-MD5": content_md5(md5)} | ({"Content-Type": content_type} if content_type else {})
    return S3Request("PUT", bucket, name, headers=headers, payload_hash=UNSIGNED_PAYLOAD)


def copy_object(bucket: str, name: str, to_bucket: str, to_name: str) -> S3Request:
    """Copy an object inside the store."""
    return S3Request("PUT", to_bucket, to_name, headers={"x-amz-copy-source": _copy_source(bucket, name)})


def delete_object(bucket: str, name: str) -> S3Request:
    """Delete an object."""
    return S3Request("DELETE", bucket, name)


def delete_objects(bucket: str, names: Iterable[str]) -> S3Request:
    """Delete objects; the response names only those that were not deleted."""
    # A carriage return in the text of XML is read as a line feed.
    keys = "".join(f"<Object><Key>{escape(name, {chr(13): '&#13;'})}</Key></Object>" for name in names)
    return _with_document("POST", bucket, {"delete": ""}, f"<Delete {_NAMESPACE}><Quiet>true</Quiet>{keys}</Delete>")


def list_uploads(bucket: str, name: str, key_marker: str = "", upload_marker: str = "") -> S3Request:
    """List a page of the uploads of parts that are not complete, of objects whose names begin with *name*."""
    query = {"uploads": "", "encoding-type": "url", "prefix": name}
    query |= {"key-marker": key_marker} if key_marker else {}
    query |= {"upload-id-marker": upload_marker} if upload_marker else {}
    return S3Request("GET", bucket, query=query)


def create_upload(bucket: str, name: str) -> S3Request:
    """Begin an upload of parts."""
    return S3Request("POST", bucket, name, {"uploads": ""})


def list_parts(bucket: str, name: str, upload_id: str, marker: int = 0) -> S3Request:
    """List a page of the parts of an upload, after part *marker*."""
    query = {"uploadId": upload_id} | ({"part-number-marker": str(marker)} if marker else {})
    return S3Request("GET", bucket, name, query)


def upload_part(bucket: str, name: str, upload_id: str, part_number: int, md5: str | None) -> S3Request:
    """Store part *part_number*, which begins with 1; the server compares *md5*, if it is given."""
    query = {"partNumber": str(part_number), "uploadId": upload_id}
    headers = {"Content-MD5": content_md5(md5)} if md5 else {}
    return S3Request("PUT", bucket, name, query, headers, payload_hash=UNSIGNED_PAYLOAD)


def copy_part(upload_part: S3Request, source: tuple[str, str], content: Part, etag: str) -> S3Request:
    """Return *upload_part* with *content* of the object *source*, which must have the ETag *etag*."""
    headers = {
        "x-amz-copy-source": _copy_source(*source),
        "x-amz-copy-source-range": f"bytes={content.start}-{content.start + content.size - 1}",
        "x-amz-copy-source-if-match": f'"{etag}"',
    }
    return replace(upload_part, headers=headers, payload_hash=EMPTY_PAYLOAD)


def complete_upload(bucket: str, name: str, upload_id: str, etags: Sequence[str]) -> S3Request:
    """Make the object of the parts with *etags*, all in their order; the server compares them."""
    parts = "".join(
        f'<Part><PartNumber>{number}</PartNumber><ETag>"{escape(etag)}"</ETag></Part>'
        for number, etag in enumerate(etags, 1)
    )
    document = f"<CompleteMultipartUpload {_NAMESPACE}>{parts}</CompleteMultipartUpload>"
    return _with_document("POST", bucket, {"uploadId": upload_id}, document, name)


def abort_upload(bucket: str, name: str, upload_id: str) -> S3Request:
    """Delete an upload with its parts."""
    return S3Request("DELETE", bucket, name, {"uploadId": upload_id})


def _copy_source(bucket: str, name: str) -> str:
    return quote(f"/{bucket}/{name}", safe="/" + UNRESERVED)


def _with_document(method: str, bucket: str, query: Mapping[str, str], document: str, name: str = "") -> S3Request:
    body = document.encode()
    md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
    headers = {"Content-MD5": content_md5(md5), "Content-Type": "application/xml"}
    return S3Request(method, bucket, name, query, headers, body, hashlib.sha256(body).hexdigest())
