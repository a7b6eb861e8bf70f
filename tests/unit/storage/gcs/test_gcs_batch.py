"""Batches of deletions."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import StoreError, StoreUnreachable
from airflow_dlaas.storage.gcs.batch import deletions, parse_statuses, require_deleted

RESPONSE = (
    b"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-0>\r\n\r\n"
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    b"--batch_x\r\nContent-Type: application/http\r\nContent-ID: <response-1>\r\n\r\n"
    b'HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{"error": {"message": "HTTP/1.1 500"}}\r\n'
    b"--batch_x--\r\n"
)


def test_a_batch_has_one_request_for_each_object_with_its_name_quoted() -> None:
    body = deletions("b", ["a/b c", "d\r\nDELETE /x"], "limit").decode()
    assert body.count("DELETE /storage/v1/b/b/o/") == 2
    assert "DELETE /storage/v1/b/b/o/a%2Fb%20c HTTP/1.1\r\n" in body
    assert "d%0D%0ADELETE%20%2Fx" in body
    assert body.endswith("--limit--\r\n")


@pytest.mark.parametrize("content_type", ["multipart/mixed; boundary=batch_x", 'multipart/mixed; boundary="batch_x"'])
def test_the_statuses_are_in_the_order_of_the_requests(content_type: str) -> None:
    assert parse_statuses(content_type, RESPONSE) == [204, 404]


def test_a_response_that_is_no_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="boundary"):
        parse_statuses("text/html", b"<html>")


def test_an_object_that_does_not_exist_counts_as_deleted() -> None:
    require_deleted("b", ["x", "y"], [204, 404])


def test_failures_of_the_store_can_be_retried() -> None:
    with pytest.raises(StoreUnreachable, match=r"y \(503\)"):
        require_deleted("b", ["x", "y", "z"], [204, 503, 429])


def test_a_refusal_names_up_to_five_objects() -> None:
    with pytest.raises(StoreError, match=r"n0 \(403\), .*n4 \(403\), and 2 more") as raised:
        require_deleted("b", [f"n{number}" for number in range(7)], [403] * 7)
    assert not raised.value.transient


def test_a_missing_status_is_no_success() -> None:
    with pytest.raises(ValueError, match="shorter"):
        require_deleted("b", ["x", "y"], [204])
