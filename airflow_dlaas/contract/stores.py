"""
Where training data lies, and how one gets in.

Two flavours, told apart by `StoreType`: Swift's own v1 authentication and Keystone v3. Secrets are masked
by their type: they appear in no repr and in no dump, except one asked for with `REVEAL_SECRETS`.
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
"""Context for `model_dump` and `model_dump_json` that writes secrets out: for the wire, never for a log."""

MASK = "********"


class StoreType(str, Enum):
    """The kinds of object store a definition may name."""

    SOFTLAYER = "softlayer_objectstore"
    """Swift with its v1 authentication."""
    BLUEMIX = "bluemix_objectstore"
    """Swift behind Keystone v3."""

    def __str__(self) -> str:
        return self.value


class StoreConnection(RequestModel):
    """
    How to get into an object store.

    Swift v1: ``auth_url``, ``userId`` (the v1 user name, ``ACCOUNT:user``), ``password`` (the key).
    Keystone v3: ``auth_url``, ``userId`` or ``user_name``, ``password``, ``project_id``, ``region``, ``domain_name``.
    Which of the two is meant is decided by those last three: all given means Keystone v3.
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
        except ValueError:  # whose message repeats the host, and the credentials before it
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
        """Whoever the credentials are for."""
        return self.user_id or self.user_name or ""

    @property
    def is_keystone(self) -> bool:
        """Whether this means Keystone v3 rather than Swift's own v1 authentication."""
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
    """A container of training data; the whole of it is in place before the command starts."""

    connection: StoreConnection
    source: ContainerRef


class TrainingResults(RequestModel):
    """
    Where results go, as a definition spells it; without it, to the first container of training data.

    ``source`` is an older spelling of ``target`` [client]: exactly one of the two is given.
    """

    connection: StoreConnection
    target: ContainerRef | None = None
    source: ContainerRef | None = None

    @model_validator(mode="after")
    def _require_one_target(self) -> Self:
        if self.target is not None and self.source is not None:
            raise ValueError("target and source are two spellings of one key: only one of them may be given")
        if self.target is None and self.source is None:
            raise ValueError("target is missing: the container that results go to")
        return self

    @property
    def target_key(self) -> str:
        """The key that holds the place: ``target`` or ``source``."""
        return "target" if self.target is not None else "source"

    @property
    def container_ref(self) -> ContainerRef:
        """The container, under whichever key it was given."""
        place = self.target or self.source
        assert place is not None  # noqa: S101 - validated above
        return place


class ResultsStore(RequestModel):
    """Where the results of a training are stored, also where its definition does not name the place."""

    connection: StoreConnection
    target: ContainerRef
