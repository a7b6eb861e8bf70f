"""
The connections to object stores: address and credentials.

There are three kinds: Swift (with its own authentication v1, or Keystone v3), S3 and Google Cloud Storage. The type of
the container that a connection belongs to decides which one it is (`airflow_dlaas.contract.stores.StoreType`). Secrets
are masked by their type: they are in no repr and in no dump, except in a dump with `REVEAL_SECRETS`.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, SerializationInfo, model_validator
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel

REVEAL_SECRETS = {"reveal": True}
"""Context for `model_dump` and `model_dump_json` that shows secrets: for requests and storage, never for a log."""

MASK = "********"

AWS_ENDPOINT_URL = "https://s3.amazonaws.com"
"""The endpoint of an S3 connection that names none."""

GOOGLE_ENDPOINT_URL = "https://storage.googleapis.com"
"""The endpoint of a connection to Google Cloud Storage that names none."""


def require_http_url(value: str) -> str:
    """
    Return *value*, the URL of a store.

    :raises ValueError: it is none, or contains credentials; the message does not repeat it.
    """
    try:
        parts = urlsplit(value)
    except ValueError:  # its message repeats the host, and the credentials before it
        raise ValueError("must be an http:// or https:// URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http:// or https:// URL")
    if parts.username or parts.password:
        raise ValueError("must not carry credentials: they belong in the keys for user and password")
    return value


def _mask_secret(value: SecretStr, info: SerializationInfo) -> str:
    revealed = isinstance(info.context, dict) and info.context.get("reveal") is True
    return value.get_secret_value() if revealed else MASK


HttpUrl = Annotated[str, AfterValidator(require_http_url)]
"""The URL of a store, without credentials."""

MaskedSecret = Annotated[SecretStr, PlainSerializer(_mask_secret, return_type=str)]
"""A secret that a dump masks, unless its context is `REVEAL_SECRETS`."""


class SwiftStoreConnection(RequestModel):
    """
    The address and the credentials of a Swift.

    Swift v1: ``auth_url``, ``userId`` (the v1 user name, ``ACCOUNT:user``), ``password`` (the key).
    Keystone v3: ``auth_url``, ``userId`` or ``user_name``, ``password``, ``project_id``, ``region``, ``domain_name``.
    The last three decide which of the two it is: if all are given, it is Keystone v3.
    """

    auth_url: HttpUrl
    user_id: str | None = Field(default=None, alias="userId")
    user_name: str | None = None
    password: MaskedSecret
    project_id: str | None = None
    region: str | None = None
    domain_name: str | None = None

    @model_validator(mode="after")
    def _require_user(self) -> Self:
        if not (self.user_id or self.user_name):
            raise ValueError("userId is missing: the user's name or id in the object store")
        return self

    @property
    def url(self) -> str:
        """The URL that errors name."""
        return self.auth_url

    @property
    def url_key(self) -> str:
        """The key with the URL."""
        return "auth_url"

    @property
    def user(self) -> str:
        """The user name or id of the credentials."""
        return self.user_id or self.user_name or ""

    @property
    def is_keystone(self) -> bool:
        """Whether the authentication is Keystone v3, not Swift's own v1."""
        return bool(self.project_id and self.region and self.domain_name)


Addressing = Literal["auto", "path", "virtual"]
"""How a request names the bucket: in the path, in the host name ("virtual"), or in the host name for AWS only."""


class S3StoreConnection(RequestModel):
    """
    The address and the credentials of an S3 store.

    The clients of 2017 and 2018 have three spellings, each of which is complete in itself: ``auth_url``, ``user_name``
    (or ``userId``) and ``password``; ``endpoint_url``, ``access_key_id`` and ``secret_access_key``; ``endpoint_url``,
    ``aws_access_key_id`` and ``aws_secret_access_key``. Without a URL, the store is AWS. With ``anonymous`` there are
    no credentials, and requests are not signed.
    """

    endpoint_url: HttpUrl | None = None
    auth_url: HttpUrl | None = None
    access_key_id: str | None = None
    aws_access_key_id: str | None = None
    user_id: str | None = Field(default=None, alias="userId")
    user_name: str | None = None
    secret_access_key: MaskedSecret | None = None
    aws_secret_access_key: MaskedSecret | None = None
    password: MaskedSecret | None = None
    session_token: MaskedSecret | None = None
    """The token of temporary credentials."""
    region: str | None = None
    addressing: Addressing | None = None
    anonymous: bool | None = None

    @model_validator(mode="after")
    def _require_one_spelling(self) -> Self:
        urls = [one for one in (self.endpoint_url, self.auth_url) if one]
        ids = [one for one in (self.access_key_id, self.aws_access_key_id, self.user_id, self.user_name) if one]
        secrets = [one for one in (self.secret_access_key, self.aws_secret_access_key, self.password) if one]
        if len(urls) > 1:
            raise ValueError("endpoint_url and auth_url have the same meaning: only one of them may be given")
        if self.anonymous:
            if ids or secrets or self.session_token:
                raise ValueError("must have no keys if anonymous is true")
            return self
        if len(ids) != 1:
            problem = "is missing" if not ids else "is given more than once"
            raise ValueError(f"access_key_id {problem} (also written aws_access_key_id or user_name)")
        if len(secrets) != 1:
            problem = "is missing" if not secrets else "is given more than once"
            raise ValueError(f"secret_access_key {problem} (also written aws_secret_access_key or password)")
        return self

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self.endpoint_url or self.auth_url or AWS_ENDPOINT_URL

    @property
    def url_key(self) -> str:
        """The key with the URL."""
        return "auth_url" if self.auth_url else "endpoint_url"

    @property
    def user(self) -> str:
        """The id of the access key; empty for anonymous requests."""
        return self.access_key_id or self.aws_access_key_id or self.user_id or self.user_name or ""

    @property
    def secret(self) -> str:
        """The secret key; empty for anonymous requests."""
        found = self.secret_access_key or self.aws_secret_access_key or self.password
        return found.get_secret_value() if found else ""


class GcsStoreConnection(RequestModel):
    """
    The address and the credentials of Google Cloud Storage.

    Exactly one of three is given: ``credentials``, the JSON text of the key of a service account; ``access_token``, an
    OAuth token, which is not renewed; or ``anonymous``.
    """

    credentials: MaskedSecret | None = None
    access_token: MaskedSecret | None = None
    anonymous: bool | None = None
    endpoint_url: HttpUrl | None = None
    """The URL of another server with this API; by default it is Google's."""
    project_id: str | None = None
    """The project in which buckets are created."""

    @model_validator(mode="after")
    def _require_credentials(self) -> Self:
        if sum(map(bool, (self.credentials, self.access_token, self.anonymous))) != 1:
            raise ValueError("must have exactly one of credentials (the JSON of a key), access_token and anonymous")
        return self

    @property
    def url(self) -> str:
        """The URL of the store."""
        return self.endpoint_url or GOOGLE_ENDPOINT_URL

    @property
    def url_key(self) -> str:
        """The key with the URL."""
        return "endpoint_url"

    @property
    def user(self) -> str:
        """What identifies the credentials without being a secret; here the project."""
        return self.project_id or ""


StoreConnection: TypeAlias = SwiftStoreConnection | S3StoreConnection | GcsStoreConnection
"""The connection to an object store of any kind. All have `url`, `url_key` and `user`."""
