"""Responses of a Swift as values."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from swiftclient.exceptions import ClientException

from airflow_dlaas.exceptions import StoreError, StoreUnreachable
from airflow_dlaas.storage.object_store import Part, StoredObject, StoreLimits
from airflow_dlaas.storage.swift.responses import (
    MAX_ERRORS,
    parse_entry,
    parse_head,
    parse_limits,
    parse_manifest_result,
    parse_segments,
    require_deleted,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def test_parse_head_gives_what_the_entry_in_a_listing_gives() -> None:
    entry = {"name": "a", "bytes": 3, "hash": "m", "last_modified": "2026-01-01T12:00:00.000000"}
    headers = {"etag": '"M"', "content-length": "3", "x-timestamp": str(NOON.timestamp())}
    assert parse_head("a", headers) == parse_entry(entry) == StoredObject("a", 3, "m", NOON)


def test_object_of_segments_has_no_md5() -> None:
    headers = {"etag": '"e"', "content-length": "3", "x-timestamp": "0"}
    static = parse_head("a", headers | {"x-static-large-object": "True"})
    dynamic = parse_head("a", headers | {"x-object-manifest": "c/a/"})
    assert (static.md5, static.slo_etag) == (None, "e")
    assert (dynamic.md5, dynamic.slo_etag) == (None, None)


def test_range_of_a_segment_has_no_md5() -> None:
    listing = [
        {"name": "/c/a", "bytes": 3, "hash": "m"},
        {"name": "/c/b", "bytes": 2, "hash": "n", "range": "2-3"},
        {"name": "/c/d", "bytes": 4, "hash": "o", "sub_slo": True},
    ]
    assert list(parse_segments(listing)) == [
        Part(0, 3, "m", ("c", "a")),
        Part(3, 2, None, ("c", "b")),
        Part(5, 4, None, ("c", "d")),
    ]


def test_limits_have_defaults_for_missing_capabilities() -> None:
    assert parse_limits({}) == StoreLimits()
    assert parse_limits({"slo": {"max_manifest_segments": 7}}).max_segments == 7
    for info in ([], {"swift": 1}, {"swift": {"max_file_size": "much"}}):
        with pytest.raises(StoreError, match="/info"):
            parse_limits(info)


def test_manifest_result_is_the_etag_or_an_error_with_the_status() -> None:
    assert parse_manifest_result(b' \r\n{"Response Status": "201 Created", "Etag": "e"}') == "e"
    with pytest.raises(ClientException) as caught:
        parse_manifest_result(b'{"Response Status": "503 Service Unavailable"}')
    assert (caught.value.http_status, caught.value.http_reason) == (503, "Service Unavailable")


def test_manifest_error_names_a_limited_number_of_segments() -> None:
    errors = [[f"/c/s%20{number}", "404 Not Found"] for number in range(1000)]
    body = json.dumps({"Response Status": "400 Bad Request", "Errors": errors}).encode()
    with pytest.raises(ClientException) as caught:
        parse_manifest_result(body)
    reason = caught.value.http_reason
    assert reason.startswith("Bad Request: /c/s 0 (404 Not Found), /c/s 1 (404 Not Found)")
    assert reason.endswith(f", and {1000 - MAX_ERRORS} more")
    assert len(reason) < 300


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        ("400 Bad Request", [["/c/a", "503 Service Unavailable"]], StoreUnreachable),
        ("400 Bad Request", [["/c/a", "503 Service Unavailable"], ["/c/b", "403 Forbidden"]], StoreError),
        ("502 Bad Gateway", [], StoreUnreachable),
        ("403 Forbidden", [], StoreError),
    ],
)
def test_failed_bulk_deletion_is_transient_only_if_the_store_failed(
    status: str, errors: list[list[str]], kind: type[StoreError]
) -> None:
    with pytest.raises(StoreError, match="objects of c were not deleted") as caught:
        require_deleted("c", json.dumps({"Response Status": status, "Errors": errors}).encode())
    assert type(caught.value) is kind


def test_successful_bulk_deletion_raises_nothing() -> None:
    require_deleted("c", b' {"Response Status": "200 OK", "Errors": [], "Number Not Found": 2}')
