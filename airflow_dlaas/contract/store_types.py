"""The types of stores, and the container of one, as a training definition names them."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.store_names import MAX_CONTAINER_NAME_BYTES, container_name_problem


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


KnownStoreType = Annotated[StoreType, BeforeValidator(_require_known_type)]
"""A store type in a definition; for another value, the error lists the types."""


class ContainerRef(RequestModel):
    """A container in an object store of a certain type: a container of Swift, or a bucket (which may be the key)."""

    container: str = Field(json_schema_extra={"minLength": 1, "maxLength": MAX_CONTAINER_NAME_BYTES})
    type: KnownStoreType

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
