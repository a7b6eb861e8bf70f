"""The sources of training data and the targets of results with their connections, as a definition has them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator, model_validator
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.data_sources import (
    MAX_PATH_LENGTH,
    MAX_PATTERNS,
    AnySource,
    DataContainerRef,
    MountRef,
)
from airflow_dlaas.contract.store_connections import (
    MASK,
    REVEAL_SECRETS,
    GcsStoreConnection,
    S3StoreConnection,
    StoreConnection,
    SwiftStoreConnection,
)
from airflow_dlaas.contract.store_types import ContainerRef, StoreKind, StoreType
from airflow_dlaas.contract.validation_messages import UNION_TAG

__all__ = [
    "MASK",
    "MAX_PATH_LENGTH",
    "MAX_PATTERNS",
    "REVEAL_SECRETS",
    "AnyConnection",
    "AnySource",
    "ContainerRef",
    "DataContainerRef",
    "GcsStoreConnection",
    "MountRef",
    "ResultsStore",
    "S3StoreConnection",
    "StoreConnection",
    "StoreKind",
    "StoreReference",
    "StoreType",
    "SwiftStoreConnection",
    "TrainingData",
    "TrainingResults",
]


class _S3Keys(dict[str, Any]):
    """The keys of a connection to S3, which nothing in them identifies."""


class _GcsKeys(dict[str, Any]):
    """The keys of a connection to Google Cloud Storage."""


_KEYS_BY_KIND: dict[StoreKind, type[dict[str, Any]]] = {StoreKind.S3: _S3Keys, StoreKind.GCS: _GcsKeys}


def _kind_by_keys(value: Any) -> StoreKind:
    """Guess the kind of a connection whose container is not valid, so that its own errors are the right ones."""
    keys = set(value) if isinstance(value, dict) else set()
    if keys & {"credentials", "access_token"}:
        return StoreKind.GCS
    return StoreKind.S3 if keys & {"access_key_id", "aws_access_key_id", "anonymous"} else StoreKind.SWIFT


def _connection_tag(value: Any) -> str:
    if isinstance(value, (_S3Keys, S3StoreConnection)):
        return f"{UNION_TAG}s3"
    return f"{UNION_TAG}{'gcs' if isinstance(value, (_GcsKeys, GcsStoreConnection)) else 'swift'}"


AnyConnection = Annotated[
    Annotated[SwiftStoreConnection, Tag(f"{UNION_TAG}swift")]
    | Annotated[S3StoreConnection, Tag(f"{UNION_TAG}s3")]
    | Annotated[GcsStoreConnection, Tag(f"{UNION_TAG}gcs")],
    Discriminator(_connection_tag),
]


class StoreReference(RequestModel):
    """A container with the connection to its store. Field `connection` comes after the container, which it needs."""

    container_keys: ClassVar[tuple[str, ...]] = ("source", "target")

    @field_validator("connection", mode="before", check_fields=False)
    @classmethod
    def _mark_kind(cls, value: Any, info: ValidationInfo) -> Any:
        reference = next((one for key in cls.container_keys if (one := info.data.get(key)) is not None), None)
        kind = reference.type.kind if reference is not None else _kind_by_keys(value)
        keys = _KEYS_BY_KIND.get(kind)
        return keys(value) if keys is not None and isinstance(value, dict) else value


class TrainingData(StoreReference):
    """
    A source of training data: a container, which is loaded before the command starts, or a mounted folder.

    A mounted folder has no connection; for a container it is required.
    """

    source: AnySource
    connection: AnyConnection | None = Field(default=None, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty_connection(cls, value: Any) -> Any:
        source = value.get("source") if isinstance(value, dict) else None
        if isinstance(source, dict) and source.get("type") == StoreType.MOUNT and value.get("connection") == {}:
            return {key: one for key, one in value.items() if key != "connection"}
        return value

    @field_validator("connection", mode="before")
    @classmethod
    def _require_connection(cls, value: Any, info: ValidationInfo) -> Any:
        source = info.data.get("source")
        if isinstance(source, MountRef):
            if value is not None:
                raise ValueError("must be absent for a mounted folder, which needs no credentials")
            return value
        if value is None and source is not None:
            raise ValueError("is missing")
        return value


class TrainingResults(StoreReference):
    """
    The store of the results, as a definition has it; without it, results go to the first container of training data.

    ``source`` is an older key for ``target``, of clients of 2017: exactly one of the two is given.
    """

    target: ContainerRef | None = None
    source: ContainerRef | None = None
    connection: AnyConnection

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


class ResultsStore(StoreReference):
    """The store of a training's results, whether its definition has it or not."""

    target: ContainerRef
    connection: AnyConnection
