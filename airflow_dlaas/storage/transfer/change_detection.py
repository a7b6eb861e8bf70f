"""Change detection: whether a file is equal to the stored object, found with as little reading as possible."""

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
    """Return the MD5 of the whole *file*; the file is read only if *checksum_cache* does not have it."""
    cached = checksum_cache.get_md5s(file, 0)
    if cached:
        return cached[0]
    md5 = md5_of(file.part(0, file.size))
    checksum_cache.set_md5s(file, 0, [md5])
    return md5


def is_unchanged(store: ObjectStore, container: str, planned: PlannedUpload, checksum_cache: ChecksumCache) -> bool:
    """Whether the stored object of this name has the content of the file."""
    stored, file = planned.stored, planned.source.file
    if stored is None or not planned.has_same_size:
        return False
    if planned.segment_size and stored.slo_etag:
        cached = checksum_cache.get_md5s(file, planned.segment_size)
        if cached and slo_etag(cached) == stored.slo_etag:
            return True
    if stored.md5 is not None and cached_md5(file, checksum_cache) == stored.md5:
        return True
    if stored.md5 is not None and not planned.segment_size:
        return False
    # The object consists of segments, or listings of this store do not show whether it does: then the MD5 in the
    # listing is that of the list of segments.
    try:
        layout = store.get_layout(container, stored.name)
    except ObjectNotFound:
        return False
    return layout.size == file.size and _matches_segments(file, layout, planned.segment_size, checksum_cache)


def _matches_segments(file: SourceFile, layout: ObjectLayout, segment_size: int, checksum_cache: ChecksumCache) -> bool:
    if not layout.parts or any(part.md5 is None for part in layout.parts):
        return False
    has_our_ranges = segment_size and [(part.start, part.size) for part in layout.parts] == [
        (part.start, part.size) for part in split_ranges(file.size, segment_size)
    ]
    cached: Sequence[str] | None = checksum_cache.get_md5s(file, segment_size) if has_our_ranges else None
    if cached:
        return list(cached) == [part.md5 for part in layout.parts]
    if not _matches_parts(file, layout.parts):
        return False
    if has_our_ranges:
        checksum_cache.set_md5s(file, segment_size, [part.md5 for part in layout.parts if part.md5])
    return True


def _matches_parts(file: SourceFile, parts: Sequence[Part]) -> bool:
    return all(md5_of(file.part(part.start, part.size)) == part.md5 for part in parts)
