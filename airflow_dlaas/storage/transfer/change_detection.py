"""Change detection: whether a file is equal to the stored object, found with as little reading as possible."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dlaas.exceptions import ObjectNotFound
from airflow_dlaas.storage.body import md5_of
from airflow_dlaas.storage.object_store import ObjectLayout, ObjectStore, Part
from airflow_dlaas.storage.segments import (
    consists_of,
    is_multipart_etag,
    multipart_etag,
    slo_etag,
    split_ranges,
)
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
    parts_etag = stored.slo_etag or stored.multipart_etag
    if planned.segment_size and parts_etag:
        cached = checksum_cache.get_md5s(file, planned.segment_size)
        if cached and parts_etag in {slo_etag(cached), multipart_etag(cached)}:
            return True
    if stored.md5 is not None and cached_md5(file, checksum_cache) == stored.md5:
        return True
    if stored.md5 is not None and not planned.segment_size:
        return False
    # The object consists of parts, or listings of this store do not show whether it does: then the MD5 in the listing
    # is that of the list of segments.
    try:
        layout = store.get_layout(container, stored.name)
    except ObjectNotFound:
        return False
    if layout.size != file.size:
        return False
    if layout.parts:
        return _matches_parts(file, layout, checksum_cache)
    return stored.md5 is None and layout.md5 is not None and cached_md5(file, checksum_cache) == layout.md5


def _matches_parts(file: SourceFile, layout: ObjectLayout, checksum_cache: ChecksumCache) -> bool:
    parts, has_md5s = layout.parts, all(part.md5 for part in layout.parts)
    if not has_md5s and not is_multipart_etag(layout.etag, len(parts)):
        return False
    part_size = _uniform_part_size(parts, file.size)
    cached = checksum_cache.get_md5s(file, part_size) if part_size else None
    if cached:
        return consists_of(layout, cached)
    if has_md5s and not all(md5_of(file.part(part.start, part.size)) == part.md5 for part in parts):
        return False
    md5s = [part.md5 or md5_of(file.part(part.start, part.size)) for part in parts]
    if not consists_of(layout, md5s):
        return False
    if part_size:
        checksum_cache.set_md5s(file, part_size, md5s)
    return True


def _uniform_part_size(parts: Sequence[Part], size: int) -> int:
    """Return the bytes of each part but the last one; 0 if they differ."""
    part_size = parts[0].size
    ranges = [(part.start, part.size) for part in parts]
    is_uniform = part_size and ranges == [(part.start, part.size) for part in split_ranges(size, part_size)]
    return part_size if is_uniform else 0
