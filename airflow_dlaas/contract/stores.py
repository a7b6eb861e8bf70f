"""The sources of training data and the targets of results, as a training definition names them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, ClassVar

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.patterns import parse_patterns
from airflow_dlaas.contract.store_connections import (
    MASK,
    REVEAL_SECRETS,
    GcsStoreConnection,
    S3StoreConnection,
    StoreConnection,
    SwiftStoreConnection,
)
from airflow_dlaas.contract.store_names import MAX_CONTAINER_NAME_BYTES, container_name_problem, require_prefix
from airflow_dlaas.contract.validation_messages import UNION_TAG
from airflow_dlaas.exceptions import InvalidArgument, InvalidName

__all__ = [
    "MASK",
    "REVEAL_SECRETS",
    "AnyConnection",
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

MAX_PATH_LENGTH = 4096

MAX_PATTERNS = 1000
"""Patterns of ``include``, or of ``exclude``."""


class StoreKind(str, Enum):
    """The kinds of stores, by the API that they have."""

    SWIFT = "swift"
    S3 = "s3"
    GCS = "gcs"
    MOUNT = "mount"

    def __str__(self) -> str:
        return self.value


class StoreType(str, Enum):
    """The types of stores that a definition can have."""

    SOFTLAYER = "softlayer_objectstore"
    """Swift with its v1 authentication."""
    BLUEMIX = "bluemix_objectstore"
    """Swift behind Keystone v3."""
    S3_DATASTORE = "s3_datastore"
    """S3, as clients of 2017 write it."""
    S3 = "s3"
    """S3, as clients of 2018 write it."""
    GCS = "google_cloud_storage"
    MOUNT = "mount_volume"
    """A folder that is mounted where the command runs."""

    def __str__(self) -> str:
        return self.value

    @property
    def kind(self) -> StoreKind:
        """The API of the store."""
        return _KINDS[self]


_KINDS = {
    StoreType.SOFTLAYER: StoreKind.SWIFT,
    StoreType.BLUEMIX: StoreKind.SWIFT,
    StoreType.S3_DATASTORE: StoreKind.S3,
    StoreType.S3: StoreKind.S3,
    StoreType.GCS: StoreKind.GCS,
    StoreType.MOUNT: StoreKind.MOUNT,
}


def _require_known_type(value: Any) -> Any:
    known = [str(one) for one in StoreType]
    if isinstance(value, str) and value not in known:
        raise ValueError(f"must be one of {', '.join(known)}")
    return value


_StoreType = Annotated[StoreType, BeforeValidator(_require_known_type)]


class ContainerRef(RequestModel):
    """A container in an object store of a certain type: a container of Swift, or a bucket (which may be the key)."""

    container: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CONTAINER_NAME_BYTES})
    type: _StoreType

    @model_validator(mode="before")
    @classmethod
    def _accept_bucket(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "bucket" not in value:
            return value
        others = {key: one for key, one in value.items() if key != "bucket"}
        if value["bucket"] is None:
            return others
        if value.get("container") is not None:
            raise ValueError("container and bucket have the same meaning: only one of them may be given")
        return {**others, "container": value["bucket"]}

    @field_validator("container")
    @classmethod
    def _require_valid_container(cls, value: str) -> str:
        problem = container_name_problem(value)
        if problem is not None:
            raise ValueError(f"must be the name of a container, without a slash; it {problem}")
        return value

    @field_validator("type")
    @classmethod
    def _require_object_store(cls, value: StoreType) -> StoreType:
        if value.kind is StoreKind.MOUNT:
            raise ValueError(f"must be an object store, not {value}: results are stored in a container")
        return value


class DataContainerRef(ContainerRef):
    """A container of training data, or a part of it."""

    prefix: str | None = None
    """The folder of the container that is the data; its own path is left out of the names of files. A prefix below the
    results of a training selects them, which are left out otherwise."""
    include: tuple[str, ...] | None = Field(default=None, max_length=MAX_PATTERNS)
    """Names and globs of the objects below *prefix* that are loaded, see `contract.patterns`; by default all."""
    exclude: tuple[str, ...] | None = Field(default=None, max_length=MAX_PATTERNS)
    """Names and globs of the objects that are not loaded; it takes precedence over *include*."""
    version: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    """The version of the data (`contract.data_manifest`): exactly these objects are loaded, with this content."""

    @field_validator("prefix")
    @classmethod
    def _require_valid_prefix(cls, value: str | None) -> str | None:
        try:
            return value if value is None else require_prefix(value)
        except InvalidName as error:
            raise ValueError(str(error).removeprefix("prefix: ")) from None

    @field_validator("include", "exclude")
    @classmethod
    def _require_valid_patterns(cls, value: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        try:
            return parse_patterns(value, info.field_name or "")
        except InvalidArgument as error:
            raise ValueError(str(error)) from None


class MountRef(RequestModel):
    """A folder (or a file) that is mounted where the command runs. It is not copied."""

    type: _StoreType
    path: str = Field(min_length=1, max_length=MAX_PATH_LENGTH)
    """Absolute, below a root that the service's site allows."""
    read_only: bool | None = None
    """Whether the command cannot change it; the default is true."""

    @field_validator("path")
    @classmethod
    def _require_absolute_path(cls, value: str) -> str:
        steps = value.split("/")
        if not value.startswith("/") or "\0" in value or not {".", ".."}.isdisjoint(steps):
            raise ValueError("must be an absolute path without '.' and '..'")
        return value

    @property
    def is_read_only(self) -> bool:
        """Whether the command cannot change it."""
        return self.read_only is not False


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


def _source_tag(value: Any) -> str:
    type_ = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"{UNION_TAG}{'mount' if type_ == StoreType.MOUNT else 'container'}"


AnyConnection = Annotated[
    Annotated[SwiftStoreConnection, Tag(f"{UNION_TAG}swift")]
    | Annotated[S3StoreConnection, Tag(f"{UNION_TAG}s3")]
    | Annotated[GcsStoreConnection, Tag(f"{UNION_TAG}gcs")],
    Discriminator(_connection_tag),
]

AnySource = Annotated[
    Annotated[DataContainerRef, Tag(f"{UNION_TAG}container")] | Annotated[MountRef, Tag(f"{UNION_TAG}mount")],
    Discriminator(_source_tag),
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
