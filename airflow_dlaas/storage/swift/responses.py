"""What the responses of a Swift mean, as values. No I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import StoreError, StoreUnreachable
from airflow_dlaas.storage.object_store import Part, StoredObject, StoreLimits

FOLDER_CONTENT_TYPE = "application/directory"
"""The content type of objects that only mark a folder, by a convention of Swift's tools."""

MAX_ERRORS = 5
"""Segments or objects that an error names; a request can have a thousand."""


def normalize_etag(etag: str) -> str:
    """Remove the quotes of an ETag, and write it in lower case."""
    return etag.strip('"').lower()


def is_static_large_object(headers: Mapping[str, str]) -> bool:
    """Whether *headers* are those of an object that consists of segments by a manifest (SLO); names in lower case."""
    return headers.get("x-static-large-object", "").lower() == "true"


def parse_entry(entry: Mapping[str, Any]) -> StoredObject:
    """Parse the entry of an object in a listing."""
    name, size = entry["name"], int(entry["bytes"])
    slo_etag = entry.get("slo_etag")
    # For an object made of segments `hash` is that of its manifest.
    md5 = None if slo_etag else entry.get("hash")
    modified = datetime.fromisoformat(entry["last_modified"]).replace(tzinfo=timezone.utc)
    is_folder_marker = not size and (
        name.endswith("/") or entry.get("content_type", "").startswith(FOLDER_CONTENT_TYPE)
    )
    return StoredObject(name, size, md5, modified, is_folder_marker, slo_etag.strip('"') if slo_etag else None)


def parse_head(name: str, headers: Mapping[str, str]) -> StoredObject:
    """Parse the *headers* of an object, their names in lower case, into what its entry in a listing gives."""
    etag = normalize_etag(headers["etag"])
    return parse_entry(
        {
            "name": name,
            "bytes": headers["content-length"],
            "hash": None if "x-object-manifest" in headers else etag,
            "slo_etag": etag if is_static_large_object(headers) else None,
            "last_modified": datetime.fromtimestamp(float(headers["x-timestamp"]), timezone.utc).isoformat(),
            "content_type": headers.get("content-type", ""),
        }
    )


def parse_limits(info: Any) -> StoreLimits:
    """
    Parse the limits in the document at ``/info``.

    :raises StoreError: it is no such document.
    """
    defaults = StoreLimits()
    try:
        return StoreLimits(
            max_object_size=int(info.get("swift", {}).get("max_file_size", defaults.max_object_size)),
            max_segments=int(info.get("slo", {}).get("max_manifest_segments", 0)),
            max_deletes=int(info.get("bulk_delete", {}).get("max_deletes_per_request", 0)),
            page_size=int(info.get("swift", {}).get("container_listing_limit", 0)),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise StoreError("The capabilities that the object store publishes (/info) are not those of a Swift") from error


def parse_segments(listing: Iterable[Mapping[str, Any]]) -> Iterator[Part]:
    """Parse a manifest of segments; their names begin with their container."""
    start = 0
    for entry in listing:
        # A range of a segment, and a segment that consists of segments itself, has no MD5 of its share of the content.
        is_whole_object = not entry.get("range") and not entry.get("sub_slo")
        container, _, name = str(entry.get("name", "")).lstrip("/").partition("/")
        size = int(entry["bytes"])
        yield Part(start, size, str(entry["hash"]) if is_whole_object else None, (container, name))
        start += size


def parse_manifest_result(body: bytes) -> str:
    """
    Return the ETag of the object that a manifest made.

    With a heartbeat the status of the response is sent before the manifest is processed, so the body has the result.

    :raises ClientException: the store rejected the manifest; its reason has the status and up to `MAX_ERRORS` segments.
    """
    answer = json.loads(body)
    status = str(answer.get("Response Status", ""))
    if status.startswith("2"):
        return str(answer.get("Etag", ""))
    code, reason = int(status[:3]), status[4:]
    if code == HTTPStatus.BAD_REQUEST:
        errors = answer.get("Errors") or []
        details = ", ".join(f"{unquote(name)} ({cause})" for name, cause in errors[:MAX_ERRORS])
        more = f", and {len(errors) - MAX_ERRORS} more" if len(errors) > MAX_ERRORS else ""
        reason = f"{reason}: {details or answer.get('Response Body')}{more}"
    raise ClientException(
        "PUT of the manifest failed", http_status=code, http_reason=reason, http_response_content=body.decode()
    )


def require_deleted(container: str, body: bytes) -> None:
    """
    Check the result of a bulk deletion. Its status is sent before the objects are deleted, so the body has the result.

    :raises StoreUnreachable: the store failed (5xx) to delete objects; a retry can help.
    :raises StoreError: the store refused to delete objects.
    """
    answer = json.loads(body)
    failed = [f"{unquote(name)} ({status})" for name, status in answer.get("Errors", [])]
    status = str(answer.get("Response Status", ""))
    if failed or not status.startswith("2"):
        is_transient = status.startswith("5") or (bool(failed) and all(" (5" in one for one in failed))
        kind = StoreUnreachable if is_transient else StoreError
        raise kind(f"These objects of {container} were not deleted: {', '.join(failed[:MAX_ERRORS]) or status}")
