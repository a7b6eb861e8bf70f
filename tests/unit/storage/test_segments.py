"""How large files are divided, and their ETags."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.storage.object_store import StoreLimits
from airflow_dlaas.storage.segments import (
    DEFAULT_SEGMENT_SIZE,
    MIB,
    max_file_size,
    multipart_etag,
    segment_size_for,
    slo_etag,
    split_ranges,
)


@given(st.integers(1, 10**14), st.integers(1, 2000), st.integers(1, 10**9))
def test_segment_size_for_never_exceeds_the_number_of_segments(size: int, max_segments: int, segment_size: int) -> None:
    part_size = segment_size_for(size, StoreLimits(max_object_size=2**60, max_segments=max_segments), segment_size)
    assert -(-size // part_size) <= max_segments
    assert part_size >= segment_size


def test_segment_size_for_depends_only_on_the_file_size_and_the_limits() -> None:
    """So that the next attempt has the same segments."""
    limits = StoreLimits(max_segments=1000)
    assert segment_size_for(1000 * DEFAULT_SEGMENT_SIZE, limits) == DEFAULT_SEGMENT_SIZE
    assert segment_size_for(1000 * DEFAULT_SEGMENT_SIZE + 1, limits) == DEFAULT_SEGMENT_SIZE + MIB
    assert segment_size_for(10 * DEFAULT_SEGMENT_SIZE, StoreLimits()) == 0


@given(st.integers(0, 10_000), st.integers(1, 400))
def test_split_ranges_covers_the_file_in_order(size: int, part_size: int) -> None:
    offset = 0
    for part in split_ranges(size, part_size):
        assert part.start == offset
        assert 0 < part.size <= part_size
        offset += part.size
    assert offset == size


def test_slo_etag_is_that_of_swift() -> None:
    """https://docs.openstack.org/swift/latest/overview_large_objects.html: of the segments' ETags, joined as text."""
    md5s = [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (b"a", b"b")]
    assert slo_etag(md5s) == hashlib.md5("".join(md5s).encode(), usedforsecurity=False).hexdigest()


def test_multipart_etag_is_that_of_s3() -> None:
    """Of the MD5s in bytes, with the number of parts: as moto, minio and S3 make it."""
    md5s = [hashlib.md5(data, usedforsecurity=False) for data in (b"a", b"b")]
    combined = hashlib.md5(md5s[0].digest() + md5s[1].digest(), usedforsecurity=False).hexdigest()
    assert multipart_etag(one.hexdigest() for one in md5s) == f"{combined}-2"


S3_LIMITS = StoreLimits(
    max_object_size=5 * 1024**3, max_segments=10_000, min_part_size=5 * MIB, max_large_object_size=5 * 1024**4
)


@given(st.integers(1, 5 * 1024**4), st.integers(1, 10**9))
def test_part_sizes_are_within_the_limits_of_s3(size: int, segment_size: int) -> None:
    part_size = segment_size_for(size, S3_LIMITS, segment_size)
    assert 5 * MIB <= part_size <= 5 * 1024**3
    assert -(-size // part_size) <= 10_000


def test_largest_file_is_the_smaller_of_both_limits() -> None:
    assert max_file_size(S3_LIMITS) == 5 * 1024**4
    assert max_file_size(StoreLimits(max_segments=1000)) == 1000 * 5 * 1024**3
    assert max_file_size(StoreLimits()) == 5 * 1024**3
