"""Carries the requests of google-auth for tokens. It follows no redirect: the request has a signed assertion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_dlaas.contract.redirects import describe_redirect
from airflow_dlaas.exceptions import StoreRedirected
from airflow_dlaas.storage.body import BytesBody
from airflow_dlaas.storage.http.errors import NETWORK_ERRORS, REDIRECT_STATUSES, HttpResponseError, network_error
from airflow_dlaas.storage.http.http_options import HttpOptions
from airflow_dlaas.storage.http.pool import HttpPool, HttpRequest

URI_SETTING = "token_uri in the connection's credentials"


class TokenResponse:
    """A response, with the attributes that google-auth reads."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


class TokenTransport:
    """google-auth's `Request`: a function that sends one request. It has the proxies and certificates of the store."""

    def __init__(self, http_options: HttpOptions) -> None:
        self._http_options = http_options

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> TokenResponse:
        """
        Send the request; a response of any status but a redirect is returned.

        :raises StoreRedirected: the response is a redirect.
        :raises StoreUnreachable: there is no response.
        """
        parts = urlsplit(url)
        base_url, target = f"{parts.scheme}://{parts.netloc}", f"{parts.path or '/'}"
        if parts.query:
            target += f"?{parts.query}"
        pool = HttpPool(self._http_options)
        try:
            request = HttpRequest(method, base_url, target, dict(headers or {}))
            response_headers, data = pool.send(request, BytesBody(body or b""))
            return TokenResponse(200, dict(response_headers.items()), data)
        except HttpResponseError as error:
            if error.status in REDIRECT_STATUSES:
                location = error.http_response_headers.get("Location")
                raise StoreRedirected(describe_redirect(base_url, url, error.status, location, URI_SETTING)) from error
            return TokenResponse(error.status, dict(error.http_response_headers.items()), error.body)
        except NETWORK_ERRORS as error:
            raise network_error(error, base_url, "token_uri") from error
        finally:
            pool.close()
