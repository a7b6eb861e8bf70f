"""What the responses of the JSON API mean, as values. No I/O."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_dlaas.storage.object_store import ObjectLayout, Part, StoredObject
from airflow_dlaas.storage.segments import multipart_etag, split_ranges

PARTS_KEY = "dlaas-parts"
"""The key in the metadata of a composed object with the size and the MD5s of its parts: such an object has no MD5 of
its own. The metadata of an object is at most 8 KiB, which is enough for `MAX_PARTS` of them."""

MAX_PARTS = 320
"""Parts of one object, by the size of their MD5s in its metadata."""


def md5_from_base64(value: str) -> str:
    """Return the MD5 that the API writes in base64 as lower-case hex."""
    return base64.b64decode(value, validate=True).hex()


def md5_to_base64(md5: str) -> str:
    """Return the MD5 in hex as the API writes it."""
    return base64.b64encode(bytes.fromhex(md5)).decode()


def parse_entry(entry: Mapping[str, Any]) -> StoredObject:
    """Parse an object in a listing, or the resource of one object."""
    name, size = str(entry["name"]), int(entry["size"])
    md5s = [part.md5 for part in parse_parts(entry, size) if part.md5]
    return StoredObject(
        name,
        size,
        md5_from_base64(entry["md5Hash"]) if entry.get("md5Hash") else None,
        _parse_time(str(entry["updated"])),
        is_folder_marker=not size and name.endswith("/"),
        multipart_etag=multipart_etag(md5s) if md5s else None,
        etag=str(entry["generation"]),
    )


def parse_layout(entry: Mapping[str, Any]) -> ObjectLayout:
    """Parse the resource of an object; its generation is the ETag: no two contents of one name have the same."""
    size = int(entry["size"])
    md5 = md5_from_base64(entry["md5Hash"]) if entry.get("md5Hash") else None
    return ObjectLayout(size, str(entry["generation"]), md5, tuple(parse_parts(entry, size)))


def parse_parts(entry: Mapping[str, Any], size: int) -> Sequence[Part]:
    """Return the parts of a composed object, by its metadata; none if they do not fit its size."""
    value = (entry.get("metadata") or {}).get(PARTS_KEY, "")
    try:
        part_size, _, encoded = value.partition(":")
        joined = base64.b64decode(encoded, validate=True)
        ranges = list(split_ranges(size, int(part_size)))
    except (ValueError, binascii.Error):
        return []
    if len(joined) != 16 * len(ranges):
        return []
    return [Part(one.start, one.size, joined[16 * n : 16 * n + 16].hex()) for n, one in enumerate(ranges)]


def format_parts(sizes: Sequence[int], md5s: Sequence[str]) -> Mapping[str, str]:
    """Return the metadata for `parse_parts`; empty if the parts differ in size, apart from a smaller last one."""
    if not sizes or len(sizes) > MAX_PARTS or any(size != sizes[0] for size in sizes[:-1]) or sizes[-1] > sizes[0]:
        return {}
    return {PARTS_KEY: f"{sizes[0]}:{base64.b64encode(bytes.fromhex(''.join(md5s))).decode()}"}


def parse_page(page: Mapping[str, Any]) -> Sequence[StoredObject | str]:
    """Parse a page of a listing: objects and the names of subfolders, by name."""
    entries: list[StoredObject | str] = [parse_entry(one) for one in page.get("items") or ()]
    prefixes = [str(one) for one in page.get("prefixes") or ()]
    if not prefixes:
        return entries
    return sorted([*entries, *prefixes], key=lambda one: one if isinstance(one, str) else one.name)


def parse_md5_header(values: Iterable[str]) -> str | None:
    """Return the MD5 in hex of the ``x-goog-hash`` headers of a response; None if they have none."""
    for value in ",".join(values).split(","):
        kind, _, checksum = value.strip().partition("=")
        if kind == "md5" and checksum not in {"", "None"}:
            return md5_from_base64(checksum)
    return None


def _parse_time(value: str) -> datetime:
    # Python 3.10 reads neither "Z" nor any other number of digits than 3 or 6.
    whole, _, fraction = value.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}+00:00")
