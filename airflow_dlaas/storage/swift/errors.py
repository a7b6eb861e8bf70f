"""Translation of failed responses, and of errors of the HTTP libraries, into errors of this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from swiftclient.exceptions import ClientException

from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import (
    ContainerNotFound,
    Corrupted,
    ObjectNotFound,
    StoreError,
    StoreFull,
    StoreRedirected,
    StoreRefused,
    StoreUnreachable,
)
from airflow_dlaas.storage.http.errors import NETWORK_ERRORS, REDIRECT_STATUSES, network_error

RETRYABLE_STATUSES = {408, 429, 498, 499}
"""Statuses below 500 after which a retry can help: timeouts (408, 499) and rate limits (429; 498 is Swift's own)."""

AUTH_URL_SETTING = "the connection's URL (auth_url)"
"""The name that errors give to the field of a connection with the URL of its store."""


@contextmanager
def translate_errors(auth_url: str, *, container: str | None = None, name: str | None = None) -> Iterator[None]:
    """
    Translate errors of the libraries in the block into errors of this package, with the original as their cause.

    :param auth_url: the URL of the connection, which every message names.
    :param container: the container, and *name* the object, that the request is about.
    """
    try:
        yield
    except ClientException as error:
        raise response_error(error, auth_url, container=container, name=name) from error
    except NETWORK_ERRORS as error:
        raise network_error(error, auth_url) from error
    except ValueError as error:  # the body is no JSON
        raise _invalid_response_error(auth_url) from error


@contextmanager
def translate_parse_errors(auth_url: str) -> Iterator[None]:
    """Translate errors of the block, which parses a response, into the error that the response is not one of Swift."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _invalid_response_error(auth_url) from error


def _invalid_response_error(auth_url: str) -> StoreError:
    return StoreError(f"{auth_url} sent a response that is not one of Swift: check auth_url")


def response_error(error: ClientException, auth_url: str, *, container: str | None, name: str | None) -> StoreError:
    """Return the error that a response with a status of 300 or more means."""
    status: int = error.http_status or 0
    target = f"{container}/{name}" if name else container or "the account"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return StoreRefused(
            f"The object store at {auth_url} denies this user access to {target} ({status}): check the credentials "
            "and the access rights of the container"
        )
    if status == HTTPStatus.NOT_FOUND and name:
        return ObjectNotFound(f"There is no object {name!r} in container {container!r} at {auth_url}")
    if status == HTTPStatus.NOT_FOUND and container:
        return ContainerNotFound(
            f"There is no container {container!r} at {auth_url}: check its name, or create it first"
        )
    if status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}:
        return StoreFull(
            f"The object store at {auth_url} has no room for {target} ({status}): {_storage_full_reason(error)}"
        )
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return Corrupted(f"{target} arrived at {auth_url} with another MD5 than it was sent with, so it was not stored")
    if status in RETRYABLE_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnreachable(
            f"The object store at {auth_url} cannot serve {target} now ({status} {error.http_reason})"
        )
    if status in REDIRECT_STATUSES:
        location = (error.http_response_headers or {}).get("Location")
        return StoreRedirected(
            describe_redirect(auth_url, _request_url(error) or auth_url, status, location, AUTH_URL_SETTING)
        )
    return StoreError(f"The object store at {auth_url} refuses the request for {target} ({status} {error.http_reason})")


def _request_url(error: ClientException) -> str:
    """Return the URL of the request without its query; empty if the error does not have it."""
    if not error.http_host:
        return ""
    host = f"[{error.http_host}]" if ":" in error.http_host else error.http_host
    port = f":{error.http_port}" if error.http_port else ""
    return f"{error.http_scheme}://{host}{port}{error.http_path}"


def _storage_full_reason(error: ClientException) -> str:
    if error.http_status == HTTPStatus.INSUFFICIENT_STORAGE:
        return "its disks are full: its operator has to make room"
    body = error.http_response_content or b""
    if b"quota" in (body.encode() if isinstance(body, str) else body).lower():
        return "the quota of the container or of the account is used up: delete objects, or request a larger quota"
    return "the object is larger than it takes in one piece"
