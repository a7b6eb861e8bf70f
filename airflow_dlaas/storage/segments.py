"""How a large object is divided into parts, and the ETags of such objects. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from airflow_dlaas.storage.object_store import ObjectLayout, Part, StoreLimits

MIB = 1024**2

DEFAULT_SEGMENT_SIZE = 64 * MIB
"""Bytes of a part: the most that a resumed upload sends again for each connection."""

MD5_LENGTH = 32
"""Hex digits of an MD5."""


def is_large(size: int, segment_size: int = DEFAULT_SEGMENT_SIZE) -> bool:
    """Whether a file or an object is transferred in parts. Up to two parts, one connection is as fast as several."""
    return size > 2 * segment_size


def segment_size_for(size: int, limits: StoreLimits, segment_size: int = DEFAULT_SEGMENT_SIZE) -> int:
    """Return the bytes of each part of a large file of *size* bytes; 0 if the store has no objects of parts."""
    if not limits.max_segments:
        return 0
    segment_size = max(segment_size, limits.min_part_size)
    min_size = -(-size // limits.max_segments)
    return min(max(segment_size, -(-min_size // MIB) * MIB if min_size > segment_size else 0), limits.max_object_size)


def max_file_size(limits: StoreLimits) -> int:
    """Return the bytes of the largest file that can be stored."""
    largest = limits.max_object_size * max(1, limits.max_segments)
    return largest if limits.max_large_object_size is None else min(largest, limits.max_large_object_size)


def split_ranges(size: int, part_size: int) -> Iterator[Part]:
    """Divide *size* bytes into parts of *part_size* bytes; the last part may be smaller."""
    for start in range(0, size, part_size):
        yield Part(start, min(part_size, size - start))


def slo_etag(md5s: Iterable[str]) -> str:
    """Return the ETag that Swift gives an object of segments: the MD5 of the MD5s in hex, joined."""
    return hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()


def multipart_etag(md5s: Iterable[str]) -> str:
    """Return the ETag that S3 gives an object of parts: the MD5 of the MD5s in bytes, and the number of parts."""
    binary = [bytes.fromhex(one) for one in md5s]
    return f"{hashlib.md5(b''.join(binary), usedforsecurity=False).hexdigest()}-{len(binary)}"


def is_multipart_etag(etag: str, part_count: int) -> bool:
    """Whether *etag* is that of an object of *part_count* parts in S3; quotes are ignored."""
    md5, dash, count = etag.strip('"').partition("-")
    return bool(dash) and len(md5) == MD5_LENGTH and count == str(part_count)


def consists_of(layout: ObjectLayout, md5s: Sequence[str]) -> bool:
    """Whether the parts of *layout* have *md5s*, by their own MD5s or by the ETag of the object."""
    stored = [part.md5 for part in layout.parts]
    if stored and all(stored):
        return stored == list(md5s)
    return is_multipart_etag(layout.etag, len(md5s)) and layout.etag.strip('"').lower() == multipart_etag(md5s)
