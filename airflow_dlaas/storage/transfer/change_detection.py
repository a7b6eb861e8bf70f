"""Finding out whether a file is what is stored already, reading as little as that takes."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
from airflow_dlaas.storage.segments import slo_etag, split_ranges
from airflow_dlaas.storage.sources.local import SourceFile
from airflow_dlaas.storage.transfer.checksum_cache import ChecksumCache
from airflow_dlaas.storage.transfer.plan import PlannedUpload


def cached_md5(file: SourceFile, checksum_cache: ChecksumCache) -> str:
    """The MD5 of all of *file*; read unless it is known."""
    noted = checksum_cache.get_md5s(file, 0)
    if noted:
        return noted[0]
    md5 = md5_of(file.part(0, file.size))
    checksum_cache.set_md5s(file, 0, [md5])
    return md5


def is_unchanged(store: ObjectStore, container: str, planned: PlannedUpload, checksum_cache: ChecksumCache) -> bool:
    """Whether what is stored under the name is what the file holds."""
    stored, origin = planned.stored, planned.source.file
    if stored is None or not planned.has_same_size:
        return False
    if planned.segment_size and stored.slo_etag:
        noted = checksum_cache.get_md5s(origin, planned.segment_size)
        if noted and slo_etag(noted) == stored.slo_etag:
            return True
    if stored.md5 is not None and cached_md5(origin, checksum_cache) == stored.md5:
        return True
    if stored.md5 is not None and not planned.segment_size:
        return False
    # In segments, or stored where listings do not tell that it is: then the MD5 is that of the list of segments.
    try:
        shape = store.get_layout(container, stored.name)
    except ObjectNotFound:
        return False
    return shape.size == origin.size and _matches_segments(origin, shape, planned.segment_size, checksum_cache)


def _matches_segments(file: SourceFile, layout: ObjectLayout, segment_size: int, checksum_cache: ChecksumCache) -> bool:
    if not layout.parts or any(part.md5 is None for part in layout.parts):
        return False
    ours = segment_size and [(part.start, part.size) for part in layout.parts] == [
        (part.start, part.size) for part in split_ranges(file.size, segment_size)
    ]
    noted: Sequence[str] | None = checksum_cache.get_md5s(file, segment_size) if ours else None
    if noted:
        return list(noted) == [part.md5 for part in layout.parts]
    if not _matches_parts(file, layout.parts):
        return False
    if ours:
        checksum_cache.set_md5s(file, segment_size, [part.md5 for part in layout.parts if part.md5])
    return True


def _matches_parts(file: SourceFile, parts: Sequence[Part]) -> bool:
    return all(md5_of(file.part(part.start, part.size)) == part.md5 for part in parts)
