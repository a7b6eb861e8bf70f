"""Sends one request with requests, and translates the errors of requests and urllib3."""

from __future__ import annotations

import os
import ssl
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import IO, Any

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from airflow_dlaas._util.atomic_write import atomic_write
from airflow_dlaas._util.tls import tls_context
from airflow_dlaas.client.bearer_token import BearerToken
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.protocol import HttpResponse, NoResponse
from airflow_dlaas.client.service_url import DEFAULT_PORTS, ServiceUrl
from airflow_dlaas.exceptions import HostError, NotConfigured, ProtocolError

MAX_RESPONSE_BYTES = 32 * 1024**2
"""The largest response that is held in memory; the contract has no larger one."""

_CHUNK_SIZE = 256 * 1024
_POOL_SIZE = 64  # connections that stay open: more than the threads of a triggerer, so that none is opened twice


class HttpTransport:
    """
    The connections to one service, with one login.

    Thread-safe. Nothing is sent before the first request. Cookies and redirects are ignored.

    :param verify: whether to verify the service's certificate; a path names the trusted authorities.
    :param timeout: seconds to connect, and seconds without data after which a request fails.
    :raises NotConfigured: login, password or *verify* cannot be used.
    """

    def __init__(
        self, service_url: ServiceUrl, login: str, password: str, *, verify: bool | str, timeout: tuple[float, float]
    ) -> None:
        self.service_url = service_url
        self.url = str(service_url)
        if not login or not password:
            raise NotConfigured(f"Login and password for {self.url} are both required, and one is empty")
        if isinstance(verify, str) and not os.path.exists(verify):  # noqa: PTH110 - a string, and passed on as one
            raise NotConfigured(f"verify: there is no file of certificates at {verify}")
        if verify is False:
            # The setting is explicit; a warning for each request adds nothing.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._basic_auth = requests.auth.HTTPBasicAuth(login.encode(), password.encode())
        self._verify = verify
        self._timeout = timeout
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["X-WML-User-Client"] = "WML-User"  # as in the documentation of 2017
        for scheme in DEFAULT_PORTS:
            self._session.mount(f"{scheme}://", HTTPAdapter(pool_connections=2, pool_maxsize=_POOL_SIZE))

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        self._session.close()

    def send(self, call: Call[Any], token: BearerToken | None) -> HttpResponse | NoResponse:
        """
        Send *call* once, with *token*, or with login and password. Blocks.

        :raises NotConfigured: the certificate is not trusted, or the URL cannot be used.
        :raises ProtocolError: the response is too large, or its encoding is not the one that it states.
        :raises HostError: the file to send cannot be read, or the file to save to cannot be written.
        """
        payload = call.payload()
        if not isinstance(payload, Path):
            return self._send_body(call, token, payload)
        try:
            file = payload.open("rb")
        except OSError as error:
            raise HostError(f"{payload} cannot be read: {error.strerror}") from error
        with file:
            return self._send_body(call, token, file)

    def ssl_context(self) -> ssl.SSLContext | None:
        """
        Return the context for a connection outside the pool; it trusts the same authorities as the pool.

        None for a service without TLS.
        """
        if not self.service_url.is_https:
            return None
        verify = self._session.merge_environment_settings(self.url, {}, False, self._verify, None)["verify"]
        return tls_context(True if verify is None else verify, default_ca=requests.utils.DEFAULT_CA_BUNDLE_PATH)

    def _send_body(
        self, call: Call[Any], token: BearerToken | None, body: bytes | IO[bytes] | None
    ) -> HttpResponse | NoResponse:
        headers = {"Accept": "*/*" if call.save_to else "application/json", **call.headers}
        if call.content_type:
            headers["Content-Type"] = call.content_type
        connect, silence = self._timeout
        try:
            with self._session.request(
                call.method,
                self.url + call.path,
                data=body,
                headers=headers,
                auth=_BearerAuth(token.value) if token else self._basic_auth,
                timeout=(connect, silence + call.long_poll_seconds),
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                save_to = call.save_to if response.ok and response.status_code < 300 else None
                content = _save_body(response, save_to) if save_to else _read_body(response)
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(response.status_code, content, time.time(), names, self.url, self.url + call.path)
        except requests.RequestException as error:
            return self._to_no_response(error)

    def _to_no_response(self, error: requests.RequestException) -> NoResponse:
        """Return the `NoResponse` for an error of requests, or raise the exception that it stands for."""
        causes = _cause_chain(error)
        if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
            raise NotConfigured(
                f"The certificate of {self.url} is not trusted: name its authority in the connection ({causes[-1]})"
            ) from error
        if isinstance(error, (ValueError, requests.TooManyRedirects)) and not isinstance(
            error, requests.JSONDecodeError
        ):
            raise NotConfigured(f"{self.url} cannot be used: {error}") from error
        if isinstance(error, requests.exceptions.ContentDecodingError):
            raise ProtocolError(f"The response of {self.url} does not have the encoding that it states") from error
        unsent = isinstance(error, requests.ConnectTimeout) or any(
            isinstance(one, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError)) for one in causes
        )
        match error:
            case requests.ConnectTimeout():
                reason = f"no connection within {self._timeout[0]:g} s"
            case requests.ReadTimeout():
                reason = f"timeout, no data for {self._timeout[1]:g} s"
            case _:
                reason = str(causes[-1]) or type(causes[-1]).__name__
        return NoResponse(f"No response from {self.url}: {reason}", time.time(), not unsent, error)


class _BearerAuth(AuthBase):
    """Sets the token. (An auth object, because requests lets ~/.netrc override a header.)"""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _cause_chain(error: BaseException) -> list[BaseException]:
    """Return *error* and the errors inside it, the innermost last; urllib3 puts them into arguments and ``reason``."""
    found: list[BaseException] = []
    one: object = error
    while isinstance(one, BaseException) and one not in found:
        found.append(one)
        inner = [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
        one = next((each for each in inner if isinstance(each, BaseException) and each not in found), None)
    return found


def _read_body(response: requests.Response) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK_SIZE):
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise ProtocolError(f"The service's response is larger than {MAX_RESPONSE_BYTES // 1024**2} MiB")
    return bytes(content)


def _save_body(response: requests.Response, save_to: Path) -> bytes:
    """Write the body to *save_to*, which keeps its old content until the new one is complete. Return no content."""
    try:
        with atomic_write(save_to, mode=None) as file:
            for chunk in response.iter_content(_CHUNK_SIZE):
                file.write(chunk)
    except requests.RequestException:
        raise  # a subclass of OSError, but not an error of the file
    except OSError as error:
        raise HostError(f"{save_to} cannot be written: {error.strerror}") from error
    return b""
