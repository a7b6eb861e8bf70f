"""
How a large file is divided into segments, and the names of the segments. No I/O.

The segments of ``container/name`` are in ``container_segments``, as ``name/dlaas/<size>/<cut>/<upload>/<number>``.
Swift's own tools use such a second container, too. By the size of the file and the size of a segment (``<cut>``), a
later attempt finds the segments that it may not have to send again. The id of the upload is new for each upload, so
that no upload overwrites a segment that an object consists of.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_dlaas.storage.object_store import Part, StoredObject, StoreLimits

MIB = 1024**2

DEFAULT_SEGMENT_SIZE = 64 * MIB
"""Bytes of a segment: the most that a resumed upload sends again for each connection."""

_SEGMENT_NAME = re.compile(r"dlaas/(?P<size>\d+)/(?P<cut>\d+)/(?P<upload>[0-9a-f]{16})/(?P<number>\d{8})")
_SEGMENT = re.compile(rf"(?P<owner>.+)/{_SEGMENT_NAME.pattern}", re.DOTALL)


def is_large(size: int, segment_size: int = DEFAULT_SEGMENT_SIZE) -> bool:
    """Whether a file or an object is transferred in parts. Up to two parts, one connection is as fast as several."""
    return size > 2 * segment_size


def segment_size_for(size: int, limits: StoreLimits, segment_size: int = DEFAULT_SEGMENT_SIZE) -> int:
    """Return the bytes of each segment of a large file of *size* bytes; 0 if the store has no objects of segments."""
    if not limits.max_segments:
        return 0
    min_size = -(-size // limits.max_segments)
    return min(max(segment_size, -(-min_size // MIB) * MIB if min_size > segment_size else 0), limits.max_object_size)


def max_file_size(limits: StoreLimits) -> int:
    """Return the bytes of the largest file that can be stored."""
    return limits.max_object_size * max(1, limits.max_segments)


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


def segment_container(container: str) -> str:
    """Return the name of the container for the segments of the objects in *container*."""
    return f"{container}_segments"


def segment_prefix(name: str) -> str:
    """Return the prefix of all segments of *name*. Segments of other objects may begin with it, too."""
    return f"{name}/dlaas/"


def segment_name(name: str, size: int, segment_size: int, upload_id: str, number: int) -> str:
    """Return the name of a segment."""
    return f"{segment_prefix(name)}{size}/{segment_size}/{upload_id}/{number:08}"


def segment_owner(segment: str) -> str | None:
    """Return the name of the object that *segment* was stored for; None for the segment of another program."""
    match = _SEGMENT.fullmatch(segment)
    return match["owner"] if match else None


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment of an upload, complete or not."""

    stored: StoredObject
    file_size: int
    segment_size: int
    number: int


def find_segments(name: str, listing: Iterable[StoredObject]) -> Iterator[StoredSegment]:
    """Yield the objects of *listing* that are segments of *name*."""
    for one in listing:
        match = _SEGMENT_NAME.fullmatch(one.name.removeprefix(f"{name}/"))
        if match:
            yield StoredSegment(one, int(match["size"]), int(match["cut"]), int(match["number"]))


def owned_segments(container: str, name: str, parts: Iterable[Part]) -> set[str]:
    """
    Return the names of the segments in *parts* that belong to this object only, and are deleted with it.

    These are the segments in the container for segments whose names are below the object's name: a convention of
    Swift's tools. Other segments may be shared with other objects.
    """
    segments = (part.segment for part in parts if part.segment)
    return {
        segment
        for stored_in, segment in segments
        if stored_in == segment_container(container) and segment.startswith(f"{name}/")
    }
