"""What goes wrong with a Swift, in our words: the only place that knows the libraries' errors."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
import urllib3
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

LATER = {408, 429, 498, 499}
"""Answers below 500 that mean "later": two time limits, and two rate limits (498 is Swift's own)."""

REDIRECTS = range(300, 400)
"""Answers that name another address, or none; never followed."""

SETTING = "the connection's URL (auth_url)"
"""What errors call the field of a connection that has the address of its store."""

NETWORK = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""How the libraries below say that no answer came."""


@contextmanager
def in_our_words(where: str, *, container: str | None = None, name: str | None = None) -> Iterator[None]:
    """
    Raise what the libraries raise within as one of our errors, the original as its cause.

    :param where: the address, as people know it: it stands in every message.
    """
    try:
        yield
    except ClientException as error:
        raise of_answer(error, where, container=container, name=name) from error
    except NETWORK as error:
        raise of_network(error, where) from error
    except ValueError as error:  # a body that is no JSON
        raise _no_answer(where) from error


@contextmanager
def making_sense(where: str) -> Iterator[None]:
    """Take what within makes no sense of an answer's content for an answer that is no Swift's."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _no_answer(where) from error


def _no_answer(where: str) -> StoreError:
    return StoreError(f"{where} answered something that is no Swift's answer: look at auth_url")


def of_answer(error: ClientException, where: str, *, container: str | None, name: str | None) -> StoreError:
    """Say what an answer with a status of 300 or more means."""
    status: int = error.http_status or 0
    about = f"{container}/{name}" if name else container or "the account"
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return StoreRefused(
            f"The object store at {where} does not let this user into {about} ({status}): check the credentials, "
            "and who may use the container"
        )
    if status == HTTPStatus.NOT_FOUND and name:
        return ObjectNotFound(f"There is no object {name!r} in container {container!r} at {where}")
    if status == HTTPStatus.NOT_FOUND and container:
        return ContainerNotFound(f"There is no container {container!r} at {where}: check its name, or create it first")
    if status in {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.INSUFFICIENT_STORAGE}:
        return StoreFull(f"The object store at {where} has no room for {about} ({status}): {_full(error)}")
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return Corrupted(f"{about} did not reach {where} as it was sent (its MD5 differs), so it was not stored")
    if status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return StoreUnreachable(f"The object store at {where} cannot serve {about} now ({status} {error.http_reason})")
    if status in REDIRECTS:
        location = (error.http_response_headers or {}).get("Location")
        return StoreRedirected(describe_redirect(where, _asked(error) or where, status, location, SETTING))
    return StoreError(f"The object store at {where} refuses the request for {about} ({status} {error.http_reason})")


def _asked(error: ClientException) -> str:
    """The URL that was asked, without query; empty where the error does not name it."""
    if not error.http_host:
        return ""
    host = f"[{error.http_host}]" if ":" in error.http_host else error.http_host
    port = f":{error.http_port}" if error.http_port else ""
    return f"{error.http_scheme}://{host}{port}{error.http_path}"


def _full(error: ClientException) -> str:
    if error.http_status == HTTPStatus.INSUFFICIENT_STORAGE:
        return "its disks are full, which whoever runs it has to change"
    said = error.http_response_content or b""
    if b"quota" in (said.encode() if isinstance(said, str) else said).lower():
        return "the quota of the container or of the account is used up; delete what is not needed, or ask for more"
    return "the object is larger than it takes in one piece"


def of_network(error: Exception, where: str) -> StoreError:
    """Say what it means that no answer came."""
    if isinstance(error, (requests.exceptions.SSLError, ssl.SSLError)) and "certificate" in str(error).lower():
        return StoreError(
            f"The certificate of {where} is not trusted: name the file of the authority that signed it (verify)"
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return StoreError(f"{where} is not an address that can be asked: check auth_url")
    if isinstance(error, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError)):
        return StoreUnreachable(f"The object store at {where} did not answer in time")
    return StoreUnreachable(f"The object store at {where} cannot be reached: {_reason(error)}")


def asked_to_wait(error: StoreError) -> float:
    """Seconds the store wants to be left alone, by Retry-After, a number or a date; 0 where it did not say."""
    headers = getattr(error.__cause__, "http_response_headers", None) or {}
    said = str(headers.get("Retry-After", ""))
    if said.isascii() and said.isdigit():
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _reason(error: BaseException) -> str:
    """The innermost error: what wraps it repeats addresses and ids of objects in memory."""
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        if inner is None or isinstance(inner, ClientException):
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
