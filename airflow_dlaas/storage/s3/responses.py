"""What the responses of an S3 server mean, as values. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from airflow_dlaas.storage.object_store import StoredObject

_MD5 = re.compile(r"[0-9a-f]{32}")
_MULTIPART_ETAG = re.compile(r"[0-9a-f]{32}-[0-9]+")

ENCRYPTION_HEADERS = ("x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm")
"""Headers of an object that is encrypted: with a key of the store's key management, or with one of the client."""

STORE_KEY_ENCRYPTION = "AES256"
"""The value of the first one for the store's own keys: with these the ETag is still an MD5."""


def parse_document(body: bytes) -> Element:
    """
    Parse XML; names of elements lose their namespace, which servers write or not.

    :raises ValueError: it is no XML in UTF-8, or it defines entities, with which a small document becomes a huge one.
    """
    text = body.decode("utf-8-sig").strip()  # a server may send blanks first, to keep the connection open
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("the document defines entities")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - without the definitions, XML has nothing that grows
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def normalize_etag(etag: str) -> str:
    """Remove the quotes of an ETag; one that consists of MD5s is written in lower case."""
    lowered = etag.strip('"').lower()
    return lowered if is_md5(lowered) or part_count(lowered) else etag.strip('"')


def is_md5(etag: str) -> bool:
    """Whether a normalized ETag has the form of an MD5."""
    return _MD5.fullmatch(etag) is not None


def part_count(etag: str) -> int:
    """Return the number of parts that a normalized ETag of a multipart upload has; 0 for any other ETag."""
    return int(etag.rpartition("-")[2]) if _MULTIPART_ETAG.fullmatch(etag) else 0


def has_other_etag(headers: Mapping[str, str]) -> bool:
    """
    Whether *headers* (names in lower case) are of an object whose ETag is no checksum of its content.

    With keys of the key management (``aws:kms``, ``aws:kms:dsse``) or of the client, AWS makes the ETag of the
    encrypted content, although it has the same form.
    """
    encryption = headers.get(ENCRYPTION_HEADERS[0], STORE_KEY_ENCRYPTION)
    return encryption != STORE_KEY_ENCRYPTION or ENCRYPTION_HEADERS[1] in headers


def stored_object(
    name: str, size: int, etag: str, modified: datetime, *, etag_is_checksum: bool = True, content_type: str = ""
) -> StoredObject:
    """Return an object with what its ETag means."""
    normalized = normalize_etag(etag)
    md5 = normalized if etag_is_checksum and is_md5(normalized) else None
    multipart_etag = normalized if etag_is_checksum and part_count(normalized) else None
    is_folder_marker = not size and (name.endswith("/") or content_type.startswith("application/x-directory"))
    other = None if md5 or multipart_etag else normalized or None
    return StoredObject(name, size, md5, modified, is_folder_marker, None, multipart_etag, other)


def parse_head(name: str, headers: Mapping[str, str]) -> StoredObject:
    """Parse the *headers* of an object, their names in lower case."""
    return stored_object(
        name,
        int(headers["content-length"]),
        headers.get("etag", ""),
        parsedate_to_datetime(headers["last-modified"]).astimezone(timezone.utc),
        etag_is_checksum=not has_other_etag(headers),
        content_type=headers.get("content-type", ""),
    )


@dataclass(frozen=True, slots=True)
class ObjectsPage:
    """A page of a listing."""

    entries: list[StoredObject | str]
    """Objects, and the names of subfolders, which end with the delimiter; each of the two in the server's order."""
    next_token: str
    """The token of the next page; empty on the last page."""


def parse_objects_page(body: bytes, *, etags_are_checksums: bool = True) -> ObjectsPage:
    """
    Parse a page of a listing.

    :raises ValueError: it is none.
    """
    root = _require_root(body, "ListBucketResult")
    is_quoted = root.findtext("EncodingType") == "url"
    entries: list[StoredObject | str] = []
    for element in root:
        if element.tag == "Contents":
            entries.append(
                stored_object(
                    _name(element, "Key", is_quoted=is_quoted),
                    int(_text(element, "Size")),
                    element.findtext("ETag") or "",
                    parse_time(_text(element, "LastModified")),
                    etag_is_checksum=etags_are_checksums,
                )
            )
        elif element.tag == "CommonPrefixes":
            entries.append(_name(element, "Prefix", is_quoted=is_quoted))
    entries.sort(key=lambda one: one.encode() if isinstance(one, str) else one.name.encode())
    is_truncated = root.findtext("IsTruncated") == "true"
    return ObjectsPage(entries, _text(root, "NextContinuationToken") if is_truncated else "")


def parse_buckets_page(body: bytes) -> tuple[list[str], str]:
    """Parse a page of the list of buckets: their names, and the token of the next page, or the empty text."""
    root = _require_root(body, "ListAllMyBucketsResult")
    names = [_text(element, "Name") for element in root.iter("Bucket")]
    return names, root.findtext("ContinuationToken") or ""


def parse_time(text: str) -> datetime:
    """Parse a time of ISO 8601."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """A page of the uploads of parts that are not complete."""

    uploads: list[tuple[str, str]]
    """Name of the object and id of each upload."""
    next_markers: tuple[str, str] | None
    """Where the next page begins; None on the last page."""


def parse_uploads_page(body: bytes) -> UploadsPage:
    """Parse a page of uploads."""
    root = _require_root(body, "ListMultipartUploadsResult")
    is_quoted = root.findtext("EncodingType") == "url"
    uploads = [(_name(one, "Key", is_quoted=is_quoted), _text(one, "UploadId")) for one in root.findall("Upload")]
    if root.findtext("IsTruncated") != "true" or not uploads:
        return UploadsPage(uploads, None)
    return UploadsPage(uploads, uploads[-1])


def parse_upload_id(body: bytes) -> str:
    """Return the id of the upload that was begun."""
    return _text(_require_root(body, "InitiateMultipartUploadResult"), "UploadId")


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part of an upload, as the server lists it."""

    number: int
    """It begins with 1."""
    size: int
    etag: str


def parse_parts_page(body: bytes) -> tuple[list[UploadedPart], int]:
    """Parse a page of the parts of an upload: the parts, and the marker of the next page, or 0."""
    root = _require_root(body, "ListPartsResult", "ListPartsResponse")  # the second one is that of moto
    parts = [
        UploadedPart(int(_text(one, "PartNumber")), int(_text(one, "Size")), normalize_etag(_text(one, "ETag")))
        for one in root.findall("Part")
    ]
    is_truncated = root.findtext("IsTruncated") == "true"
    return parts, parts[-1].number if is_truncated and parts else 0


def parse_result_etag(body: bytes) -> str:
    """Return the ETag of the object that a copy or an upload of parts made."""
    return normalize_etag(_text(parse_document(body), "ETag"))


def parse_delete_errors(body: bytes) -> list[tuple[str, str]]:
    """Return the name and the error code of each object that was not deleted."""
    root = _require_root(body, "DeleteResult")
    return [(one.findtext("Key") or "", one.findtext("Code") or "") for one in root.findall("Error")]


@dataclass(frozen=True, slots=True)
class ErrorDocument:
    """The document in the response to a request that failed; each text may be empty."""

    code: str = ""
    region: str = ""
    """The region of the bucket, if the request was for another one."""
    endpoint: str = ""
    """The host that the bucket is at, if it is at another one."""


def parse_error(body: bytes) -> ErrorDocument:
    """Parse an error; a body that is none, as that of a proxy, or of a response to HEAD, gives empty texts."""
    try:
        root = parse_document(body)
    except ValueError:
        return ErrorDocument()
    if root.tag != "Error":
        return ErrorDocument()
    code = root.findtext("Code") or ""
    is_code = code.isascii() and code.isalnum()
    return ErrorDocument(code if is_code else "", root.findtext("Region") or "", root.findtext("Endpoint") or "")


def _require_root(body: bytes, *tags: str) -> Element:
    root = parse_document(body)
    if root.tag not in tags:
        raise ValueError(f"the document is no {tags[0]}")
    return root


def _text(element: Element, tag: str) -> str:
    text = element.findtext(tag)
    if not text:
        raise ValueError(f"{element.tag} has no {tag}")
    return text


def _name(element: Element, tag: str, *, is_quoted: bool) -> str:
    text = _text(element, tag)
    return unquote_plus(text, errors="strict") if is_quoted else text
