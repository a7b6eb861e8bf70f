"""Responses of Google Cloud Storage as values."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_dlaas.storage.gcs.responses import (
    MAX_PARTS,
    PARTS_KEY,
    format_parts,
    md5_to_base64,
    parse_entry,
    parse_layout,
    parse_md5_header,
    parse_page,
)
from airflow_dlaas.storage.object_store import Part
from airflow_dlaas.storage.segments import multipart_etag

MD5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
OTHER_MD5 = hashlib.md5(b"d", usedforsecurity=False).hexdigest()


def resource(**fields: Any) -> dict[str, Any]:
    entry = {"name": "a/b", "size": "3", "generation": "17", "updated": "2026-01-02T03:04:05.678Z"}
    return entry | {"md5Hash": md5_to_base64(MD5)} | fields


def composed(**fields: Any) -> dict[str, Any]:
    return resource(size="4", metadata=format_parts([3, 1], [MD5, OTHER_MD5]), **fields) | {"md5Hash": None}


def test_an_entry_has_the_md5_in_hex_and_the_generation() -> None:
    stored = parse_entry(resource())
    assert (stored.name, stored.size, stored.md5, stored.etag) == ("a/b", 3, MD5, "17")
    assert stored.digest == f"md5:{MD5}"


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [("2026-01-02T03:04:05.678Z", 678_000), ("2026-01-02T03:04:05Z", 0), ("2026-01-02T03:04:05.123456789Z", 123_456)],
)
def test_times_with_any_number_of_digits_are_read(text: str, microsecond: int) -> None:
    expected = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=timezone.utc)
    assert parse_entry(resource(updated=text)).modified == expected


def test_an_empty_object_whose_name_ends_with_a_slash_marks_a_folder() -> None:
    assert parse_entry(resource(name="a/", size="0")).is_folder_marker
    assert not parse_entry(resource(name="a/", size="1")).is_folder_marker


def test_a_composed_object_is_identified_by_the_md5s_of_its_parts() -> None:
    stored = parse_entry(composed())
    assert stored.md5 is None
    assert stored.multipart_etag == multipart_etag([MD5, OTHER_MD5])


def test_a_composed_object_of_another_program_is_identified_by_its_generation() -> None:
    stored = parse_entry(resource(metadata={"a": "b"}) | {"md5Hash": None})
    assert stored.digest == "etag:17"


def test_the_layout_of_a_composed_object_has_the_md5_of_each_part() -> None:
    layout = parse_layout(composed())
    assert layout.parts == (Part(0, 3, MD5), Part(3, 1, OTHER_MD5))
    assert (layout.size, layout.etag, layout.md5) == (4, "17", None)


@pytest.mark.parametrize("value", ["", "3", "x:", "0:", "3:!", f"3:{md5_to_base64(MD5)}", f"-1:{md5_to_base64(MD5)}"])
def test_metadata_that_does_not_fit_the_object_is_ignored(value: str) -> None:
    assert parse_layout(resource(size="7", metadata={PARTS_KEY: value})).parts == ()


@pytest.mark.parametrize("sizes", [[], [3, 1, 3], [1, 3], [1] * (MAX_PARTS + 1)])
def test_no_metadata_is_made_of_parts_that_it_cannot_describe(sizes: list[int]) -> None:
    assert format_parts(sizes, [MD5] * len(sizes)) == {}


def test_the_metadata_of_the_largest_number_of_parts_fits_into_8_kib() -> None:
    [(key, value)] = format_parts([1024**4] * MAX_PARTS, [MD5] * MAX_PARTS).items()
    assert len(key) + len(value) < 8 * 1024


def test_a_page_has_objects_and_subfolders_by_name() -> None:
    entries = parse_page({"items": [resource(name="b"), resource(name="d")], "prefixes": ["a/", "c/"]})
    assert [one if isinstance(one, str) else one.name for one in entries] == ["a/", "b", "c/", "d"]
    assert parse_page({}) == []


def test_the_md5_is_found_among_the_checksums_of_a_response() -> None:
    assert parse_md5_header(["crc32c=AAAAAA==", f"md5={md5_to_base64(MD5)}"]) == MD5
    assert parse_md5_header([f"crc32c=AAAAAA==,md5={md5_to_base64(MD5)}"]) == MD5
    assert parse_md5_header(["crc32c=AAAAAA=="]) is None
    assert parse_md5_header([]) is None
