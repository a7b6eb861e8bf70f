"""The entries of a catalogue file, which a site writes. Unknown keys are refused by name."""

from __future__ import annotations

from typing import Literal

import tomllib
from pydantic import Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from airflow_dlaas.contract.base import ApiModel
from airflow_dlaas.contract.definition import MAX_FRAMEWORK_NAME_LENGTH
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.job_spec import RuntimeSpec

GIGABYTE = 10**9

REQUIRED_KEYS = {"uv": "requirements", "venv": "python", "prefix": "path", "container": "image"}
"""The required key of each kind of entry. Only `requirements` may be empty: a plain Python."""

MAX_VERSION_LENGTH = 100
"""Characters of a version: the database stores name and version in one column (`CatalogueEntry.key`)."""


class CatalogueEntry(ApiModel):
    """A runtime with its names and requirements. The head of catalogue.toml explains the keys."""

    framework: str = Field(min_length=1, max_length=MAX_FRAMEWORK_NAME_LENGTH)
    version: str = Field(min_length=1, max_length=MAX_VERSION_LENGTH)
    aliases: tuple[str, ...] = ()
    provides: str = Field(min_length=1)
    compatibility: bool = False
    enabled: bool = True
    kind: Literal["uv", "venv", "prefix", "container"]
    requirements: tuple[str, ...] = ()
    gpu_requirements: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    python: str | None = None
    installed_only: bool = False
    room_gb: float = 1
    gpu_room_gb: float | None = None
    path: tuple[str, ...] = ()
    ld_library_path: tuple[str, ...] = ()
    image: str | None = None
    env: dict[str, str] = Field(default_factory=dict)
    shim: str | None = None
    flavour: Literal["pytorch", "lua"] | None = None
    probe: str | None = None

    @field_validator("framework")
    @classmethod
    def _require_plain_name(cls, value: str) -> str:
        # The command line separates name and version by a colon, and the key of an image has one (`image_runtimes`).
        if not value.isprintable() or any(one.isspace() or one == ":" for one in value):
            raise ValueError("must be printable, without spaces and without a colon")
        return value.lower()

    @field_validator("version")
    @classmethod
    def _lowercase_version(cls, value: str) -> str:
        return value.lower()

    @field_validator("aliases")
    @classmethod
    def _lowercase_aliases(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one.lower() for one in value)

    @model_validator(mode="after")
    def _require_kind_key(self) -> Self:
        needed = REQUIRED_KEYS[self.kind]
        is_given = needed in self.model_fields_set if needed == "requirements" else bool(getattr(self, needed))
        if self.enabled and not is_given:
            raise ValueError(f"{needed} is missing: kind {self.kind} requires it")
        return self

    @property
    def key(self) -> str:
        """The identifier of the entry; a training stores it when it is submitted."""
        return f"{self.framework}-{self.version}"

    @property
    def accepted_versions(self) -> tuple[str, ...]:
        """Every version by which a definition can name this entry."""
        return (self.version, *self.aliases)

    def to_spec(self, *, has_gpus: bool) -> RuntimeSpec:
        """Return all that is needed to provide this runtime, on a machine with or without real GPUs."""
        compatible = f" (compatibility entry for {self.version})" if self.compatibility else ""
        room = self.gpu_room_gb if has_gpus and self.gpu_room_gb is not None else self.room_gb
        return RuntimeSpec(
            key=self.key,
            kind=self.kind,
            provides=self.provides + compatible,
            requirements=self.gpu_requirements if has_gpus and self.gpu_requirements else self.requirements,
            otherwise=self.otherwise,
            room=int(room * GIGABYTE),
            python=self.python,
            path=self.path,
            ld_library_path=self.ld_library_path,
            env=self.env,
            shim=self.shim,
            image=self.image,
            compatibility=self.compatibility,
        )

    def to_runtime(self, unavailable_reason: str | None, environment_bytes: int | None = None) -> Runtime:
        """
        Return the entry as the API lists it.

        :param environment_bytes: bytes on disk of the environment of kind ``uv``; None if it was not made yet.
        """
        return Runtime(
            framework=self.framework,
            version=self.version,
            aliases=self.aliases,
            provides=self.provides,
            compatibility=self.compatibility,
            unavailable=unavailable_reason,
            kind=self.kind,
            image=self.image,
            prepared=environment_bytes is not None if self.kind == "uv" else None,
            environment_bytes=environment_bytes,
        )


class CatalogueFile(ApiModel):
    """A catalogue file."""

    runtime: tuple[CatalogueEntry, ...] = ()


def parse_entries(text: str, source: str) -> tuple[CatalogueEntry, ...]:
    """
    Read the entries of a catalogue file; *source* is its name in error messages.

    :raises NotConfigured: *text* is no TOML, has an unknown key, or lacks a required one.
    """
    try:
        return CatalogueFile.model_validate(tomllib.loads(text)).runtime
    except tomllib.TOMLDecodeError as error:
        raise NotConfigured(f"The runtime catalogue {source} is no TOML: {error}") from error
    except ValidationError as error:
        raise NotConfigured(f"The runtime catalogue {source}: " + "; ".join(validation_messages(error))) from None
