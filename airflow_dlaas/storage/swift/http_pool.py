"""The requests for the content of objects of Swift, with its token and with swiftclient's error for a failure."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlsplit

from swiftclient.exceptions import ClientException

from airflow_dlaas.storage.body import Body
from airflow_dlaas.storage.http.errors import HttpResponseError
from airflow_dlaas.storage.http.pool import HttpPool, HttpRequest
from airflow_dlaas.storage.object_store import BytesCallback
from airflow_dlaas.storage.swift.auth import AuthToken


class SwiftHttpPool(HttpPool):
    """
    The pool of one account.

    It raises swiftclient's error, so that one function translates the errors of both (`swift.errors`).
    """

    def put(
        self, token: AuthToken, path: str, headers: Mapping[str, str], body: Body, on_progress: BytesCallback | None
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """
        PUT *body*; see `HttpPool.send`.

        :param path: quoted, below the storage URL of *token*.
        :raises ClientException: the response has a status of 300 or more.
        """
        with _raise_client_exception():
            return self.send(_request("PUT", token, path, headers), body, on_progress)

    @contextmanager
    def get(self, token: AuthToken, path: str, headers: Mapping[str, str]) -> Iterator[http.client.HTTPResponse]:
        """
        GET *path*; see `HttpPool.open`.

        :raises ClientException: the response has a status of 300 or more.
        """
        with _raise_client_exception(), self.open(_request("GET", token, path, headers)) as response:
            yield response


def _request(method: str, token: AuthToken, path: str, headers: Mapping[str, str]) -> HttpRequest:
    return HttpRequest(method, token.storage_url, path, {"X-Auth-Token": token.value, **headers})


@contextmanager
def _raise_client_exception() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        url = urlsplit(error.url)
        raise ClientException(
            f"{error.method} failed",
            http_scheme=url.scheme,
            http_host=url.hostname,
            http_port=url.port,
            http_path=url.path,
            http_status=error.status,
            http_reason=error.reason,
            http_response_headers=error.http_response_headers,
            http_response_content=error.body,
        ) from None
