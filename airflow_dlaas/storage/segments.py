"""
How a large file is cut, and what its segments are called. No I/O.

The segments of ``container/name`` lie in ``container_segments`` as ``name/dlaas/<size>/<cut>/<upload>/<number>``:
a container beside the object's is what Swift's own tools use, the size and the cut tell a later attempt which of them
may be what it is about to send, and the upload, made up anew each time, keeps a segment that an object consists of
from being overwritten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_dlaas.storage.object_store import Part, StoredObject, StoreLimits

MIB = 1024**2

DEFAULT_SEGMENT_SIZE = 64 * MIB
"""Bytes of a segment: what a broken upload sends again for each connection at the most."""


_SEGMENT_NAME = re.compile(r"dlaas/(?P<size>\d+)/(?P<cut>\d+)/(?P<upload>[0-9a-f]{16})/(?P<number>\d{8})")


def is_large(size: int, segment_size: int = DEFAULT_SEGMENT_SIZE) -> bool:
    """Whether a file or an object is moved in parts: up to two of them one connection is as quick as several."""
    return size > 2 * segment_size


def segment_size_for(size: int, limits: StoreLimits, segment_size: int = DEFAULT_SEGMENT_SIZE) -> int:
    """Bytes of each segment that a large file of *file_size* is cut into; 0 where the store joins no segments."""
    if not limits.max_segments:
        return 0
    min_size = -(-size // limits.max_segments)
    return min(max(segment_size, -(-min_size // MIB) * MIB if min_size > segment_size else 0), limits.max_object_size)


def max_file_size(limits: StoreLimits) -> int:
    """Bytes of the largest file that can be stored."""
    return limits.max_object_size * max(1, limits.max_segments)


def split_ranges(size: int, part_size: int) -> Iterator[Part]:
    """Cut *file_size* bytes into parts of *cut*; the last may be smaller."""
    for start in range(0, size, part_size):
        yield Part(start, min(part_size, size - start))


def slo_etag(md5s: Iterable[str]) -> str:
    """What Swift calls the ETag of an object made of segments: the MD5 of their MD5s, written one after another."""
    return hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()


def segment_container(container: str) -> str:
    """Name the container that holds the segments of *container*'s objects."""
    return f"{container}_segments"


def segment_prefix(name: str) -> str:
    """The prefix of all segments of the object *name*, of whatever upload; another object's may begin with it too."""
    return f"{name}/dlaas/"


def segment_name(name: str, size: int, segment_size: int, upload_id: str, number: int) -> str:
    """The name of a segment."""
    return f"{segment_prefix(name)}{size}/{segment_size}/{upload_id}/{number:08}"


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment that some upload has left."""

    stored: StoredObject
    file_size: int
    segment_size: int
    number: int


def find_segments(name: str, listing: Iterable[StoredObject]) -> Iterator[StoredSegment]:
    """Those objects of *listing* that are segments of *name*."""
    for one in listing:
        match = _SEGMENT_NAME.fullmatch(one.name.removeprefix(f"{name}/"))
        if match:
            yield StoredSegment(one, int(match["size"]), int(match["cut"]), int(match["number"]))


def owned_segments(container: str, name: str, parts: Iterable[Part]) -> set[str]:
    """
    Name the segments among *parts* that belong to the object alone, and go when it goes.

    That is what Swift's tools mean by a name below the object's in the container beside; others may be shared.
    """
    segments = (part.segment for part in parts if part.segment)
    return {
        segment
        for stored_in, segment in segments
        if stored_in == segment_container(container) and segment.startswith(f"{name}/")
    }
