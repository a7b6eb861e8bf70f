"""The only place that sends: `Client` does what `exchange` says, with requests."""

from __future__ import annotations

import logging
import os
import random
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import IO, Any, TypeVar

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from typing_extensions import Self

from airflow_dlaas._util.logged_once import LoggedOnce
from airflow_dlaas.client import calls
from airflow_dlaas.client.calls import Call
from airflow_dlaas.client.protocol import (
    DEFAULT_RETRY,
    BearerToken,
    Delay,
    GetToken,
    HttpResponse,
    NoResponse,
    RequestRetryPolicy,
    SendRequest,
    StepResult,
    exchange,
)
from airflow_dlaas.client.service_url import DEFAULT_PORTS, ServiceUrl
from airflow_dlaas.contract.listing import Listing
from airflow_dlaas.contract.training import Extensions
from airflow_dlaas.exceptions import (
    DlaasError,
    HostError,
    InvalidRequest,
    MethodNotAllowed,
    NotConfigured,
    NotFound,
    ProtocolError,
)

T = TypeVar("T")

MAX_RESPONSE_BYTES = 32 * 1024**2
"""Bytes of an answer that is held in memory; what is larger was not meant for us."""

_log = logging.getLogger(__name__)
_unidentified_warnings = LoggedOnce(_log)  # by the list's URL: the client asks for a list every few seconds
_CHUNK_SIZE = 256 * 1024
_POOL_SIZE = 64  # connections kept; more than a triggerer's threads, so that none is opened twice


class Client:
    """
    A service, as one user.

    Thread-safe, and cheap to make: nothing is asked before the first call. One token serves all threads, one pool
    keeps their connections. Login and password appear in no repr and no error.

    :param url: the service's root, ``http://`` or ``https://``, without credentials.
    :param verify: whether the service's certificate must be good; a path names the authorities to trust.
    :param timeout: seconds to connect, and seconds of silence after which an answer is given up.
    :raises NotConfigured: the URL, the credentials or *verify* can't be used.
    """

    def __init__(
        self,
        url: str,
        login: str,
        password: str,
        *,
        verify: bool | str = True,
        timeout: tuple[float, float] = (10, 60),
    ) -> None:
        self._service_url = ServiceUrl.parse(url)
        self.url = str(self._service_url)
        if not login or not password:
            raise NotConfigured(f"Login and password for {self.url} are both needed, and one is empty")
        if isinstance(verify, str) and not os.path.exists(verify):  # noqa: PTH110 - given and passed on as a string
            raise NotConfigured(f"verify: there is no file of certificates at {verify}")
        if verify is False:
            # Once said in the connection, it need not be said again with every request.
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._basic_auth = requests.auth.HTTPBasicAuth(login.encode(), password.encode())
        self._verify = verify
        self._timeout = timeout
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["X-WML-User-Client"] = "WML-User"  # [page]
        for scheme in DEFAULT_PORTS:
            self._session.mount(f"{scheme}://", HTTPAdapter(pool_connections=2, pool_maxsize=_POOL_SIZE))
        self._lock = threading.Lock()
        self._token: BearerToken | None = None
        self._token_request_count = 0
        self._token_error: DlaasError | None = None
        self._extensions: Extensions | None = None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection; the client may be used again, and opens new ones."""
        self._session.close()

    def send(self, call: Call[T], *, retries: RequestRetryPolicy = DEFAULT_RETRY) -> T:
        """
        Send *call*, and whatever else `exchange` finds necessary. Blocks, pauses included.

        :raises ServiceError: the service said no, said nothing, or did not speak the protocol.
        :raises NotConfigured: its certificate is not trusted, or its URL can't be called.
        :raises HostError: a file to send or to write can't be used.
        """
        steps = exchange(call, retries, random.SystemRandom().random)
        answer: StepResult = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as done:
                result: T = done.value
                if isinstance(result, Listing) and result.unidentified_count:
                    self._warn_unidentified(call.path, result)
                return result
            match step:
                case SendRequest():
                    answer = self._send_request(step)
                case GetToken():
                    answer = self._get_token(step.rejected.value if step.rejected else None, retries)
                case Delay():
                    answer = None
                    time.sleep(step.seconds)

    def token(self, *, rejected: str | None = None) -> str:
        """A token that will do for a while, other than *rejected*, which the service has refused. May block."""
        return self._get_token(rejected, DEFAULT_RETRY).value

    @property
    def extensions(self) -> Extensions:
        """
        What the service can do beyond the page; asked once, then remembered.

        None of it where the service knows no instances, or describes them otherwise.
        """
        if self._extensions is None:
            try:
                self._extensions = self.send(calls.get_instance()).entity.extensions
            except (NotFound, MethodNotAllowed, InvalidRequest, ProtocolError):
                self._extensions = Extensions()
        return self._extensions

    def path_from_url(self, url: str) -> str:
        """
        Turn the *url* of something at this service into the path that calls go to.

        :raises Misunderstood: it lies on another host. Nothing is sent there: it would be given our token.
        """
        return self._service_url.path_from_url(url)

    def websocket_url(self, path: str) -> str:
        """Where a WebSocket for *path* is opened."""
        return self._service_url.websocket_url(path)

    def ssl_context(self) -> ssl.SSLContext | None:
        """What to connect with beside the pool, trusting whom the pool trusts; None for a service without TLS."""
        if not self._service_url.is_https:
            return None
        verify = self._session.merge_environment_settings(self.url, {}, False, self._verify, None)["verify"]
        authorities = requests.utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        if not authorities:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        folder = Path(authorities).is_dir()
        return ssl.create_default_context(
            cafile=None if folder else authorities, capath=authorities if folder else None
        )

    def _warn_unidentified(self, path: str, listing: Listing[Any]) -> None:
        url = self.url + path.partition("?")[0]
        _unidentified_warnings.warning(
            url,
            "%d of %d entries of the list at %s cannot be read and have no id; they are left out. Later ones are left "
            "out without a message",
            listing.unidentified_count,
            len(listing.entries),
            url,
        )

    def _get_token(self, rejected: str | None, retries: RequestRetryPolicy) -> BearerToken:
        asked = self._token_request_count
        with self._lock:
            now = time.time()
            if self._token is not None and self._token.value != rejected and self._token.is_fresh(now):
                return self._token
            if asked != self._token_request_count and self._token_error is not None:
                raise self._token_error  # asked for in vain while we stood in line: no use in each asking again
            self._token = self._token_error = None
            try:
                grant = self.send(calls.get_token(), retries=retries)
                self._token = BearerToken.parse(grant.token.get_secret_value(), now)
            except DlaasError as error:
                self._token_error = error
                raise
            finally:
                self._token_request_count += 1
            return self._token

    def _send_request(self, step: SendRequest) -> HttpResponse | NoResponse:
        call = step.call
        payload = call.payload()
        if not isinstance(payload, Path):
            return self._send_body(call, step.token, payload)
        try:
            file = payload.open("rb")
        except OSError as error:
            raise HostError(f"{payload} can't be read: {error.strerror}") from error
        with file:
            return self._send_body(call, step.token, file)

    def _send_body(
        self, call: Call[T], token: BearerToken | None, body: bytes | IO[bytes] | None
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
                into = call.save_to if response.ok and response.status_code < 300 else None
                content = _save_body(response, into) if into else _read_body(response)
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(response.status_code, content, time.time(), names, self.url, self.url + call.path)
        except requests.RequestException as error:
            return self._to_no_response(error)

    def _to_no_response(self, error: requests.RequestException) -> NoResponse:
        """Say what an error of the library means, where it means that no answer came."""
        causes = list(_cause_chain(error))
        if any(isinstance(one, ssl.SSLCertVerificationError) for one in causes):
            raise NotConfigured(
                f"The certificate of {self.url} is not trusted: name its authority in the connection ({causes[-1]})"
            ) from error
        if isinstance(error, (ValueError, requests.TooManyRedirects)) and not isinstance(
            error, requests.JSONDecodeError
        ):
            raise NotConfigured(f"{self.url} can't be called: {error}") from error
        if isinstance(error, requests.exceptions.ContentDecodingError):
            raise ProtocolError(f"The answer of {self.url} is not encoded as it says") from error
        unsent = isinstance(error, requests.ConnectTimeout) or any(
            isinstance(one, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ProxyError)) for one in causes
        )
        match error:
            case requests.ConnectTimeout():
                why = f"no connection within {self._timeout[0]:g} s"
            case requests.ReadTimeout():
                why = f"nothing was heard for {self._timeout[1]:g} s"
            case _:
                why = str(causes[-1]) or type(causes[-1]).__name__
        return NoResponse(f"No answer from {self.url}: {why}", time.time(), not unsent, error)


class _BearerAuth(AuthBase):
    """Says who we are. (Given as `auth`, since requests lets a ~/.netrc overrule a header.)"""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _cause_chain(error: BaseException) -> list[BaseException]:
    """*error* and the errors inside it, the innermost last; urllib3 hides them in arguments and reasons."""
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
            raise ProtocolError(f"The service's answer is larger than {MAX_RESPONSE_BYTES // 1024**2} MiB")
    return bytes(content)


def _save_body(response: requests.Response, save_to: Path) -> bytes:
    """Write the body to *save_to*, by way of a file beside it, so that what lies there is always whole."""
    aside = save_to.with_name(f".{save_to.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        try:
            with aside.open("wb") as file:
                for chunk in response.iter_content(_CHUNK_SIZE):
                    file.write(chunk)
            aside.replace(save_to)
        finally:
            aside.unlink(missing_ok=True)
    except requests.RequestException:
        raise  # which is an OSError, too
    except OSError as error:
        raise HostError(f"{save_to} can't be written: {error.strerror}") from error
    return b""
