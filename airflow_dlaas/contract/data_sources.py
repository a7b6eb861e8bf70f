"""Where training data is: a container or a part of it, or a mounted folder."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.patterns import parse_patterns
from airflow_dlaas.contract.store_names import require_prefix
from airflow_dlaas.contract.store_types import ContainerRef, KnownStoreType, StoreType
from airflow_dlaas.contract.validation_messages import UNION_TAG
from airflow_dlaas.exceptions import InvalidArgument, InvalidName

MAX_PATH_LENGTH = 4096

MAX_PATTERNS = 1000
"""Patterns of ``include``, or of ``exclude``."""


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

    @property
    def is_selection(self) -> bool:
        """Whether it names a part of the container, by its prefix or by patterns."""
        return bool(self.prefix or self.include or self.exclude)

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

    type: KnownStoreType
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


def _source_tag(value: Any) -> str:
    type_ = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return f"{UNION_TAG}{'mount' if type_ == StoreType.MOUNT else 'container'}"


AnySource = Annotated[
    Annotated[DataContainerRef, Tag(f"{UNION_TAG}container")] | Annotated[MountRef, Tag(f"{UNION_TAG}mount")],
    Discriminator(_source_tag),
]
