"""
The names of segments: the parts of a large object in Swift. No I/O.

The segments of ``container/name`` are in ``container_segments``, as ``name/dlaas/<size>/<cut>/<upload>/<number>``.
Swift's own tools use such a second container, too. By the size of the file and the size of a segment (``<cut>``), a
later attempt finds the segments that it may not have to send again. The id of the upload is new for each upload, so
that no upload overwrites a segment that an object consists of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from airflow_dlaas.contract.store_names import MAX_OBJECT_NAME_BYTES, container_name_problem
from airflow_dlaas.exceptions import InvalidName
from airflow_dlaas.storage.object_store import Part, StoredObject

UNKNOWN_SIZE = 0
"""The object's size in the names of segments of a stream; no other upload in segments has this size."""

S3_PARTS_SUFFIX = "+segments"
"""What Swift's S3 API adds to the name of a container, for the container with the parts of its objects."""

_SEGMENT_NAME = re.compile(r"dlaas/(?P<size>\d+)/(?P<cut>\d+)/(?P<upload>[0-9a-f]{16})/(?P<number>\d{8})")
_SEGMENT = re.compile(rf"(?P<owner>.+)/{_SEGMENT_NAME.pattern}", re.DOTALL)


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


def owned_segments(container: str, name: str, parts: Iterable[Part]) -> set[tuple[str, str]]:
    """
    Return container and name of the segments in *parts* that belong to this object only, and are deleted with it.

    These are the segments in a container for segments whose names are below the object's name: a convention of
    Swift's tools, and of Swift's own S3 API, which has a container of its own for them. Other segments may be shared
    with other objects.
    """
    containers = {segment_container(container), f"{container}{S3_PARTS_SUFFIX}"}
    segments = (part.segment for part in parts if part.segment)
    return {one for one in segments if one[0] in containers and one[1].startswith(f"{name}/")}


def require_segment_names(container: str, name: str, size: int, part_size: int) -> None:
    """
    Check the names of the segments, and of their container.

    :raises InvalidName: the name of the container, or of the object, is too long for the text that is added to it.
    """
    problem = container_name_problem(segment_container(container))
    if problem:
        raise InvalidName(
            f"container: {name!r} is large and would be sent in segments, but the name of their container, "
            f"{segment_container(container)!r}, {problem}: choose a shorter name"
        )
    length = len(segment_name(name, size, part_size, "0" * 16, 0).encode())
    if length > MAX_OBJECT_NAME_BYTES:
        raise InvalidName(
            f"name: {name!r} is large and would be sent in segments, whose names would be {length} bytes long, more "
            f"than {MAX_OBJECT_NAME_BYTES}: shorten the prefix or the folders' names"
        )
