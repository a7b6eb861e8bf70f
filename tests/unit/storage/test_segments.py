"""How large files are divided, and which objects are their segments."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.storage.object_store import Part, StoredObject, StoreLimits
from airflow_dlaas.storage.segments import (
    DEFAULT_SEGMENT_SIZE,
    MIB,
    find_segments,
    owned_segments,
    segment_container,
    segment_name,
    segment_prefix,
    segment_size_for,
    slo_etag,
    split_ranges,
)


def stored(name: str) -> StoredObject:
    return StoredObject(name, 1, "m", datetime(2026, 1, 1, tzinfo=timezone.utc))


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (segment_name("a", 10, 4, "0123456789abcdef", 2), True),
        (segment_name("a/b", 10, 4, "0123456789abcdef", 2), False),
        ("a/slo/1700000000.0/10/4/00000000", False),
        ("a/dlaas/10/4/0123456789abcdef/00000002/x", False),
        ("a/dlaas/x", False),
    ],
)
def test_find_segments_ignores_other_names(name: str, expected: bool) -> None:
    assert [one.number for one in find_segments("a", [stored(name)])] == ([2] if expected else [])
    assert name.startswith(segment_prefix("a")) or not expected


def test_owned_segments_excludes_segments_that_may_be_shared() -> None:
    parts = [
        Part(0, 1, "m", (segment_container("c"), "big/dlaas/1")),
        Part(1, 1, "m", (segment_container("c"), "shared/1")),
        Part(2, 1, "m", ("elsewhere", "big/1")),
        Part(3, 1, "m"),
    ]
    assert owned_segments("c", "big", parts) == {"big/dlaas/1"}
