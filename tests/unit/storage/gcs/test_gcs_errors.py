"""Failed responses as errors."""

from __future__ import annotations

import json
from email.message import Message
from http.client import HTTPMessage

import pytest

from airflow_dlaas.exceptions import (
    ContainerNotFound,
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRedirected,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.gcs.errors import response_error
from airflow_dlaas.storage.http.errors import HttpResponseError

URL = "https://storage.example.org"


def error_for(status: int, reason: str = "", message: str = "", name: str | None = "x") -> StoreError:
    content = {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}
    body = json.dumps(content).encode() if reason or message else b""
    headers: Message = HTTPMessage()
    headers["Location"] = "https://elsewhere.example.org/storage"
    failed = HttpResponseError("GET", URL, status, "Reason", headers, body)  # type: ignore[arg-type]
    return response_error(failed, URL, container="b", name=name)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (401, "", StoreRefused),
        (403, "forbidden", StoreRefused),
        (403, "rateLimitExceeded", StoreUnreachable),
        (403, "quotaExceeded", StoreFull),
        (404, "", ObjectNotFound),
        (408, "", StoreUnreachable),
        (429, "", StoreUnreachable),
        (500, "", StoreUnreachable),
        (503, "", StoreUnreachable),
        (307, "", StoreRedirected),
    ],
)
def test_a_status_means_one_kind_of_error(status: int, reason: str, kind: type[StoreError]) -> None:
    assert type(error_for(status, reason)) is kind


@pytest.mark.parametrize("status", [400, 409, 412, 416])
def test_other_statuses_are_refusals_that_no_retry_helps(status: int) -> None:
    error = error_for(status, message="Invalid bucket name")
    assert type(error) is StoreError
    assert f"({status} Invalid bucket name)" in str(error)


def test_404_without_an_object_is_about_the_bucket() -> None:
    assert type(error_for(404, name=None)) is ContainerNotFound


def test_the_text_of_a_long_message_is_limited() -> None:
    assert len(str(error_for(400, message="x" * 5000))) < 600


def test_a_redirect_names_the_setting_to_change() -> None:
    assert "endpoint_url" in str(error_for(301))
