"""The access token for Google Cloud Storage: one for all threads, renewed before it expires."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import StoreError, StoreRefused, StoreUnreachable
from airflow_dlaas.storage.gcs.token_transport import TokenTransport
from airflow_dlaas.storage.http.http_options import HttpOptions

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
"""What a token permits: to read and to change objects and buckets, not their access rights."""

GOOGLE_TOKEN_URLS = {"https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token"}
"""The URLs of Google for tokens, which a site that allows Google's object store allows with it."""

SERVICE_ACCOUNT_TYPE = "service_account"


@dataclass(frozen=True)
class AuthToken:
    """An access token; empty for anonymous requests."""

    value: str = field(repr=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of a request with this token."""
        return {"Authorization": f"Bearer {self.value}"} if self.value else {}


class Authenticator:
    """
    Has the token of a connection. Thread-safe.

    :param renew: returns the connection with a token that is valid now, in the place of a fixed one.
    """

    def __init__(
        self,
        connection: GcsStoreConnection,
        http_options: HttpOptions,
        renew: Callable[[], GcsStoreConnection] | None = None,
    ) -> None:
        self._http_options = http_options
        self._lock = threading.Lock()
        self._fixed: AuthToken | None = None
        self._key = connection.credentials
        if connection.credentials is None:
            self._fixed = _fixed_token(connection)
        self._renew = renew
        self._credentials: Any = None
        self._token: AuthToken | None = None

    def get_token(self, *, rejected: AuthToken | None = None) -> AuthToken:
        """
        Return a valid token; request a new one if there is none, if it expires soon, or if it is *rejected*.

        Many threads whose token expires at the same time cause one request, not one each. A fixed token is returned
        even if it is *rejected*.

        :raises StoreError: the credentials are unusable, or no new token was granted.
        :raises StoreNotAllowed: the URL for tokens in the credentials must not be called.
        """
        if self._fixed is not None:
            if self._renew is not None and (token := _fixed_token(self._renew())) != self._fixed:
                self._fixed = token
            return self._fixed
        with self._lock:
            if self._credentials is None:
                self._credentials = self._load_credentials()
            if self._token is None or self._token is rejected or self._credentials.token_state.name != "FRESH":
                self._token = self._request_token(is_required=self._token is None or self._token is rejected)
            return self._token

    def _load_credentials(self) -> Any:
        from google.oauth2 import service_account

        key = parse_service_account(self._key.get_secret_value() if self._key else "")
        token_url = str(key.get("token_uri", ""))
        if self._http_options.require_allowed is not None and token_url not in GOOGLE_TOKEN_URLS:
            self._http_options.require_allowed(token_url)
        try:
            # google-auth has no types for this function.
            return service_account.Credentials.from_service_account_info(key, scopes=[SCOPE])  # type: ignore[no-untyped-call]
        except ValueError:  # its message may repeat a part of the key
            raise StoreRefused(
                "credentials: the key of the service account cannot be used (its private_key, client_email or "
                "token_uri): download a new key as JSON"
            ) from None

    def _request_token(self, *, is_required: bool) -> AuthToken:
        from google.auth import exceptions

        credentials = self._credentials
        try:
            credentials.refresh(TokenTransport(self._http_options))
        except exceptions.GoogleAuthError as error:
            if error.retryable:
                problem: StoreError = StoreUnreachable("Google grants no access token now")
            else:
                problem = StoreRefused(
                    f"No access token is granted for the service account {credentials.service_account_email}: check "
                    "credentials, and whether the key was deleted or the account was disabled"
                )
        except StoreUnreachable as error:
            problem = error
        else:
            return AuthToken(str(credentials.token))
        if self._token is not None and not is_required and credentials.token_state.name == "STALE":
            return self._token  # it is still valid for some minutes
        raise problem


def _fixed_token(connection: GcsStoreConnection) -> AuthToken:
    return AuthToken(connection.access_token.get_secret_value() if connection.access_token else "")


def parse_service_account(text: str) -> Mapping[str, Any]:
    """
    Parse the JSON text of the key of a service account.

    :raises StoreRefused: it is no such text. The error repeats nothing of it.
    """
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise StoreRefused("credentials: must be the JSON text of the key of a service account")
    if key.get("type") != SERVICE_ACCOUNT_TYPE:
        raise StoreRefused(
            'credentials: must be the key of a service account, with "type": "service_account"; for other credentials '
            "use access_token"
        )
    return key
