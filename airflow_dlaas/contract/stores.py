"""
The object stores of a training definition: connections and containers.

There are two kinds of authentication: Swift's own v1 and Keystone v3. Secrets are masked by their type: they are in no
repr and in no dump, except in a dump with `REVEAL_SECRETS`.
"""

from __future__ import annotations

from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, SerializationInfo, field_serializer, field_validator, model_validator
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.store_names import MAX_CONTAINER_NAME_BYTES, container_name_problem

REVEAL_SECRETS = {"reveal": True}
"""Context for `model_dump` and `model_dump_json` that shows secrets: for requests and storage, never for a log."""

MASK = "********"


class StoreType(str, Enum):
    """The types of object store that a definition can have."""

    SOFTLAYER = "softlayer_objectstore"
    """Swift with its v1 authentication."""
    BLUEMIX = "bluemix_objectstore"
    """Swift behind Keystone v3."""

    def __str__(self) -> str:
        return self.value


class StoreConnection(RequestModel):
    """
    The address and the credentials of an object store.

    Swift v1: ``auth_url``, ``userId`` (the v1 user name, ``ACCOUNT:user``), ``password`` (the key).
    Keystone v3: ``auth_url``, ``userId`` or ``user_name``, ``password``, ``project_id``, ``region``, ``domain_name``.
    The last three decide which of the two it is: if all are given, it is Keystone v3.
    """

    auth_url: str
    user_id: str | None = Field(default=None, alias="userId")
    user_name: str | None = None
    password: SecretStr
    project_id: str | None = None
    region: str | None = None
    domain_name: str | None = None

    @field_validator("auth_url")
    @classmethod
    def _require_http_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
        except ValueError:  # its message repeats the host, and the credentials before it
            raise ValueError("must be an http:// or https:// URL") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL")
        if parts.username or parts.password:
            raise ValueError("must not carry credentials: they belong in userId and password")
        return value

    @model_validator(mode="after")
    def _require_user(self) -> Self:
        if not (self.user_id or self.user_name):
            raise ValueError("userId is missing: the user's name or id in the object store")
        return self

    @field_serializer("password")
    def _mask_password(self, value: SecretStr, info: SerializationInfo) -> str:
        revealed = isinstance(info.context, dict) and info.context.get("reveal") is True
        return value.get_secret_value() if revealed else MASK

    @property
    def user(self) -> str:
        """The user name or id of the credentials."""
        return self.user_id or self.user_name or ""

    @property
    def is_keystone(self) -> bool:
        """Whether the authentication is Keystone v3, not Swift's own v1."""
        return bool(self.project_id and self.region and self.domain_name)


class ContainerRef(RequestModel):
    """A container in an object store of a certain type."""

    container: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CONTAINER_NAME_BYTES})
    type: StoreType

    @field_validator("container")
    @classmethod
    def _require_valid_container(cls, value: str) -> str:
        problem = container_name_problem(value)
        if problem is not None:
            raise ValueError(f"must be the name of a container, without a slash; it {problem}")
        return value

    @field_validator("type", mode="before")
    @classmethod
    def _require_known_type(cls, value: Any) -> Any:
        known = [str(one) for one in StoreType]
        if isinstance(value, str) and value not in known:
            raise ValueError(f"must be one of {', '.join(known)}")
        return value


class TrainingData(RequestModel):
    """A container of training data; it is downloaded as a whole before the command starts."""

    connection: StoreConnection
    source: ContainerRef


class TrainingResults(RequestModel):
    """
    The store of the results, as a definition has it; without it, results go to the first container of training data.

    ``source`` is an older key for ``target``, of clients of 2017: exactly one of the two is given.
    """

    connection: StoreConnection
    target: ContainerRef | None = None
    source: ContainerRef | None = None

    @model_validator(mode="after")
    def _require_one_target(self) -> Self:
        if self.target is not None and self.source is not None:
            raise ValueError("target and source have the same meaning: only one of them may be given")
        if self.target is None and self.source is None:
            raise ValueError("target is missing: the container that results go to")
        return self

    @property
    def target_key(self) -> str:
        """The key of the container: ``target`` or ``source``."""
        return "target" if self.target is not None else "source"

    @property
    def container_ref(self) -> ContainerRef:
        """The container, from `target` or `source`."""
        container = self.target or self.source
        assert container is not None  # noqa: S101 - validated above
        return container


class ResultsStore(RequestModel):
    """The store of a training's results, whether its definition has it or not."""

    connection: StoreConnection
    target: ContainerRef
