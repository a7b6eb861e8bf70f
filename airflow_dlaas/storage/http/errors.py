"""Failed responses of an object store, and the translation of errors of the HTTP libraries."""

from __future__ import annotations

import http.client
import ssl
import time
from http.client import HTTPMessage

import requests
import urllib3

from airflow_dlaas._util.retry import parse_retry_after
from airflow_dlaas.exceptions import StoreError, StoreUnreachable

REDIRECT_STATUSES = range(300, 400)
"""Statuses of redirects, which are never followed."""

NETWORK_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""Errors of the HTTP libraries that mean that there is no response."""


class HttpResponseError(Exception):
    """
    A response with a status of 300 or more.

    Its text has no header and nothing of the URL's query, where a credential may be.
    """

    def __init__(self, method: str, url: str, status: int, reason: str, headers: HTTPMessage, body: bytes) -> None:
        super().__init__(f"{method} failed with {status} {reason}")
        self.method = method
        self.url = url
        """The URL of the store, without path and query of the request."""
        self.status = status
        self.reason = reason
        self.http_response_headers = headers
        self.body = body
        """The beginning of the response's body."""


def network_error(error: Exception, url: str, url_key: str = "auth_url") -> StoreError:
    """
    Return the error that a missing response means.

    :param url: the URL of the store, the value of *url_key* in its connection.
    """
    if isinstance(error, (requests.exceptions.SSLError, ssl.SSLError)) and "certificate" in str(error).lower():
        return StoreError(
            f"The certificate of {url} is not trusted: set verify to the file of the authority that signed it"
        )
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return StoreError(f"{url} is no usable URL: check {url_key}")
    if isinstance(error, (requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError)):
        return StoreUnreachable(f"The object store at {url} did not respond in time (timeout)")
    return StoreUnreachable(f"The object store at {url} cannot be reached: {_root_cause(error)}")


def retry_after(error: Exception) -> float | None:
    """Return the seconds that the store requested with the response behind *error* (Retry-After); None without any."""
    return parse_retry_after(getattr(error.__cause__, "http_response_headers", None) or {}, time.time())


def _root_cause(error: BaseException) -> str:
    """Return the text of the innermost error: the errors around it repeat URLs, and addresses of objects in memory."""
    while True:
        inner = error.__cause__ or error.__context__ or next((a for a in error.args if isinstance(a, Exception)), None)
        if inner is None or hasattr(inner, "http_response_headers"):  # a failed response is the reason, not the error
            break
        error = inner
    return getattr(error, "strerror", None) or type(error).__name__
