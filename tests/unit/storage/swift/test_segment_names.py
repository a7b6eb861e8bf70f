"""Which objects are the segments of an object, and whether their names can be made."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_dlaas.exceptions import InvalidName
from airflow_dlaas.storage.object_store import Part, StoredObject
from airflow_dlaas.storage.swift.segment_names import (
    find_segments,
    owned_segments,
    require_segment_names,
    segment_container,
    segment_name,
    segment_owner,
    segment_prefix,
)


def stored(name: str) -> StoredObject:
    return StoredObject(name, 1, "m", datetime(2026, 1, 1, tzinfo=timezone.utc))


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
        Part(4, 1, "m", ("c+segments", "big/an-upload/1")),
    ]
    assert owned_segments("c", "big", parts) == {
        (segment_container("c"), "big/dlaas/1"),
        ("c+segments", "big/an-upload/1"),
    }


@pytest.mark.parametrize(
    ("segment", "owner"),
    [
        (segment_name("a/b", 10, 4, "0123456789abcdef", 2), "a/b"),
        (segment_name("a/dlaas/b", 10, 4, "0123456789abcdef", 2), "a/dlaas/b"),
        ("a/slo/1700000000.0/10/4/00000000", None),
        ("a/dlaas/x", None),
    ],
)
def test_segment_owner_is_the_object_that_it_was_stored_for(segment: str, owner: str | None) -> None:
    assert segment_owner(segment) == owner


@pytest.mark.parametrize(("container", "name"), [("c" * 250, "a"), ("c", "/".join(["x" * 100] * 10))])
def test_segment_names_that_are_too_long_are_refused(container: str, name: str) -> None:
    """Without the check, the store would refuse the segments in the middle of the upload."""
    with pytest.raises(InvalidName, match="would be sent in segments"):
        require_segment_names(container, name, 10**9, 10**8)
    require_segment_names("c", "a", 10**9, 10**8)
