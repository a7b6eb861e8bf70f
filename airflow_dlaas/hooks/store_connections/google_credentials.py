"""
Finds the credentials for Google Cloud Storage: the key of a service account, or a token.

A key is used as it is: it does not end. Every other identity, such as that of the machine, gives tokens, which do.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import google.auth
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import Request
from pydantic import SecretStr

from airflow_dlaas.contract.store_connections import GcsStoreConnection
from airflow_dlaas.exceptions import NotConfigured, StoreRefused, StoreUnreachable
from airflow_dlaas.hooks.store_connections.credentials import FoundCredentials

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from airflow_dlaas.hooks.store_connections.google import GoogleFields

SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)
"""What the tokens allow: to read and write objects, and to create containers."""

EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
"""The variable with the URL of an emulator, which Google's own clients read."""


def has_google_provider() -> bool:
    """Return whether Airflow's provider `google` is installed; imports nothing of it."""
    return find_spec("airflow.providers.google") is not None


def find_google_credentials(fields: GoogleFields) -> FoundCredentials:
    """
    Find the credentials of a connection of type `google_cloud_platform` that are valid now. It may block.

    :raises NotConfigured: there are none; the message names the connection.
    :raises StoreError: the service that issues tokens refuses, or does not respond.
    """
    make = partial(GcsStoreConnection, endpoint_url=fields.endpoint_url or _emulator_url(), project_id=fields.project)
    if fields.anonymous:
        return FoundCredentials(make(anonymous=True))
    with _translate_errors(fields):
        key = fields.key or _read_key_file(fields)
        if key is not None and fields.provider_field is None:
            return FoundCredentials(make(credentials=SecretStr(key)))
        credentials = _provider_credentials(fields) if has_google_provider() else _other_credentials(fields)
        token = RenewedToken(credentials)
        first = make(access_token=SecretStr(token.get()))

    def renew() -> GcsStoreConnection:
        with _translate_errors(fields):
            return make(access_token=SecretStr(token.get()))

    return FoundCredentials(first, token.expires, renew, is_temporary=True)


class RenewedToken:
    """A token that is renewed shortly before its end. Thread-safe."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()

    def get(self) -> str:
        """Return a token that is valid now; sends a request if the last one ends."""
        with self._lock:
            if not self._credentials.valid:
                self._credentials.refresh(Request())  # type: ignore[no-untyped-call]
            return str(self._credentials.token)

    @property
    def expires(self) -> datetime | None:
        """When the last token ends, if that is known."""
        expiry: datetime | None = self._credentials.expiry
        return None if expiry is None else expiry.replace(tzinfo=timezone.utc)  # google-auth has UTC without a zone


def _provider_credentials(fields: GoogleFields) -> Credentials:
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook

    found: Credentials = GoogleBaseHook(gcp_conn_id=fields.conn_id).get_credentials()
    return found


def _emulator_url() -> str | None:
    host = os.environ.get(EMULATOR_VARIABLE)
    return f"http://{host}" if host and "://" not in host else host or None


def _read_key_file(fields: GoogleFields) -> str | None:
    """Return the key of a service account in the file of the connection; None if it names none."""
    if fields.key_path is None:
        return None
    text = Path(fields.key_path).read_text()
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("type") != "service_account":
        raise NotConfigured(
            f"Connection {fields.conn_id!r}: key_path in its extra names a file that is not the key of a service "
            "account; for other credentials leave it out, and set GOOGLE_APPLICATION_CREDENTIALS on the workers"
        )
    return text


def _other_credentials(fields: GoogleFields) -> Credentials:
    if fields.provider_field is not None:
        raise NotConfigured(
            f"Connection {fields.conn_id!r}: {fields.provider_field} in its extra needs the package "
            "apache-airflow-providers-google"
        )
    found: Credentials
    found, _ = google.auth.default(scopes=SCOPES)
    return found


@contextmanager
def _translate_errors(fields: GoogleFields) -> Iterator[None]:
    """Raise the errors of google-auth as ours, with the name of the connection."""
    where = f"Connection {fields.conn_id!r}"
    try:
        yield
    except DefaultCredentialsError:
        raise NotConfigured(
            f"{where}: its extra has no key (keyfile_dict or key_path), and Google's own search finds no credentials "
            "on this machine"
        ) from None
    except TransportError:
        raise StoreUnreachable(f"{where}: the service that issues tokens does not respond") from None
    except RefreshError as error:
        if error.retryable:
            raise StoreUnreachable(f"{where}: the service that issues tokens does not respond") from None
        raise StoreRefused(f"{where}: Google refused the credentials") from None
    except GoogleAuthError as error:
        raise NotConfigured(f"{where}: no credentials ({type(error).__name__})") from None
    except OSError as error:
        raise NotConfigured(f"{where}: key_path in its extra: {error.strerror}: {error.filename}") from None
