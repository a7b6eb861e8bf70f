"""Translation of failed responses, and of errors of the HTTP libraries, into errors of this package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRedirected,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.http.errors import NETWORK_ERRORS, REDIRECT_STATUSES, HttpResponseError, network_error

URL_KEY = "endpoint_url"

URL_SETTING = "the connection's URL (endpoint_url)"
"""The name that errors give to the field of a connection with the URL of its store."""

RETRYABLE_STATUSES = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
"""Statuses below 500 after which a retry can help."""

RATE_LIMIT_REASONS = {"rateLimitExceeded", "userRateLimitExceeded"}
"""Reasons of a status 403 after which a retry can help."""

MAX_MESSAGE = 300
"""Characters of the store's own message that an error repeats."""


@contextmanager
def translate_errors(url: str, *, container: str | None = None, name: str | None = None) -> Iterator[None]:
    """
    Translate errors of the block into errors of this package, with the original as their cause.

    :param url: the URL of the store, which every message names.
    :param container: the bucket, and *name* the object, that the request is about.
    """
    try:
        yield
    except HttpResponseError as error:
        raise response_error(error, url, container=container, name=name) from error
    except NETWORK_ERRORS as error:
        raise network_error(error, url, URL_KEY) from error


@contextmanager
def translate_parse_errors(url: str) -> Iterator[None]:
    """Translate errors of the block, which parses a response, into the error that it is not one of this API."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreError(f"{url} sent a response that is not one of Google Cloud Storage: check {URL_KEY}") from error


def response_error(error: HttpResponseError, url: str, *, container: str | None, name: str | None) -> StoreError:
    """Return the error that a response with a status of 300 or more means."""
    status, target = error.status, f"{container}/{name}" if name else container or "the project"
    reason, message = _parse_reason(error.body)
    details = f"({status} {message or error.reason})"
    if status == HTTPStatus.FORBIDDEN and reason == "quotaExceeded":
        return StoreFull(f"The object store at {url} has no room for {target} {details}: request a larger quota")
    is_rate_limit = status == HTTPStatus.FORBIDDEN and reason in RATE_LIMIT_REASONS
    if is_rate_limit or status in RETRYABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnreachable(f"The object store at {url} cannot serve {target} now {details}")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return StoreRefused(
            f"The object store at {url} denies access to {target} {details}: check the credentials and their "
            "permissions for the bucket"
        )
    if status == HTTPStatus.NOT_FOUND and name:
        return ObjectNotFound(f"There is no object {name!r} in bucket {container!r} at {url}")
    if status == HTTPStatus.NOT_FOUND and container:
        return ContainerNotFound(f"There is no bucket {container!r} at {url}: check its name, or create it first")
    if status in REDIRECT_STATUSES:
        location = error.http_response_headers.get("Location")
        return StoreRedirected(describe_redirect(url, error.url, status, location, URL_SETTING))
    return StoreError(f"The object store at {url} refuses the request for {target} {details}")


def _parse_reason(body: bytes) -> tuple[str, str]:
    """Return the reason and the message in the body of an error; empty if it has none."""
    try:
        error = json.loads(body)["error"]
        reasons = error.get("errors") or [{}]
        message = " ".join(str(error.get("message") or "").split())
        return str(reasons[0].get("reason", "")), message[:MAX_MESSAGE]
    except (ValueError, LookupError, TypeError, AttributeError):
        return "", ""
