"""What goes wrong with a Swift, in our words: the only place that knows the libraries' errors."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import requests
import urllib3
from swiftclient.exceptions import ClientException

from airflow_dlaas._util.retry import parse_retry_after
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

RETRYABLE_STATUSES = {408, 429, 498, 499}
"""Answers below 500 that mean "later": two time limits, and two rate limits (498 is Swift's own)."""

REDIRECT_STATUSES = range(300, 400)
"""Answers that name another address, or none; never followed."""

AUTH_URL_SETTING = "the connection's URL (auth_url)"
"""What errors call the field of a connection that has the address of its store."""

NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""How the libraries below say that no answer came."""


@contextmanager
def translate_errors(auth_url: str, *, container: str | None = None, name: str | None = None) -> Iterator[None]:
    """
    Raise what the libraries raise within as one of our errors, the original as its cause.

    :param auth_url: the address, as people know it: it stands in every message.
    """
    try:
        yield
    except ClientException as error:
        raise response_error(error, auth_url, container=container, name=name) from error
    except NETWORK_ERRORS as error:
        raise network_error(error, auth_url) from error
    except ValueError as error:  # a body that is no JSON
        raise _invalid_response_error(auth_url) from error


@contextmanager
def translate_parse_errors(auth_url: str) -> Iterator[None]:
    """Take what within makes no sense of an answer's content for an answer that is no Swift's."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _invalid_response_error(auth_url) from error


def _invalid_response_error(auth_url: str) -> StoreError:
    return StoreError(f"{auth_url} answered something that is no Swift's answer: look at auth_url")


def response_error(error: ClientException, auth_url: str, *, container: str | None, name: str | None) -> StoreError:
    """Say what an answer with a status of 300 or more means."""
    status: int = error.http_status or 0
    target = f"{container}/{name}" if name else container or "the account"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return StoreRefused(
            f"The object store at {auth_url} does not let this user into {target} ({status}): check the credentials, "
            "and who may use the container"
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
        return Corrupted(f"{target} did not reach {auth_url} as it was sent (its MD5 differs), so it was not stored")
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
    """The URL that was asked, without query; empty where the error does not name it."""
    if not error.http_host:
        return ""
    host = f"[{error.http_host}]" if ":" in error.http_host else error.http_host
    port = f":{error.http_port}" if error.http_port else ""
    return f"{error.http_scheme}://{host}{port}{error.http_path}"


def _storage_full_reason(error: ClientException) -> str:
    if error.http_status == HTTPStatus.INSUFFICIENT_STORAGE:
        return "its disks are full, which whoever runs it has to change"
    body = error.http_response_content or b""
    if b"quota" in (body.encode() if isinstance(body, str) else body).lower():
        return "the quota of the container or of the account is used up; delete what is not needed, or ask for more"
    return "the object is larger than it takes in one piece"


def network_error(error: Exception, auth_url: str) -> StoreError:
    """Say what it means that no answer came."""
    if isinstance(error, (requests.exceptions.SSLError, ssl.SSLError)) and "certificate" in str(error).lower():
        return StoreError(
            f"The certificate of {auth_url} is not trusted: name the file of the authority that signed it (verify)"
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return StoreError(f"{auth_url} is not an address that can be asked: check auth_url")
    if isinstance(error, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError)):
        return StoreUnreachable(f"The object store at {auth_url} did not answer in time")
    return StoreUnreachable(f"The object store at {auth_url} cannot be reached: {_root_cause(error)}")


def retry_after(error: Exception) -> float | None:
    """Return the seconds that the store requested with the response behind *error* (Retry-After); None without any."""
    return parse_retry_after(getattr(error.__cause__, "http_response_headers", None) or {}, time.time())


def _root_cause(error: BaseException) -> str:
    """The innermost error: what wraps it repeats addresses and ids of objects in memory."""
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        if inner is None or isinstance(inner, ClientException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
