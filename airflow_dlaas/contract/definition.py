"""
The training definition, as in the documentation of 2017, with the additional keys of this project.

`airflow_dlaas.contract.definition_keys` lists these. It is the document that people write, so it is read strictly: an
unknown key is refused by its name.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator

from airflow_dlaas.contract.base import Author, OpaqueJson, RequestModel
from airflow_dlaas.contract.execution import Execution, ResourceType
from airflow_dlaas.contract.metric_definition import MAX_METRIC_DEFINITIONS, MetricDefinition
from airflow_dlaas.contract.recovery import Recovery
from airflow_dlaas.contract.stores import (
    ContainerRef,
    DataContainerRef,
    ResultsStore,
    StoreConnection,
    TrainingData,
    TrainingResults,
)
from airflow_dlaas.contract.validation_messages import validation_messages
from airflow_dlaas.contract.watchdog import Watchdog
from airflow_dlaas.exceptions import InvalidDefinition

__all__ = [
    "FRAMEWORKS",
    "MAX_CONTAINERS",
    "MAX_FRAMEWORK_NAME_LENGTH",
    "MAX_IMAGE_LENGTH",
    "Execution",
    "Framework",
    "ModelDefinition",
    "ResourceType",
    "TrainingDefinition",
]


FRAMEWORKS = ("caffe", "torch", "tensorflow")
"""The frameworks of 2017. A service may have others: its catalogue decides."""

MAX_FRAMEWORK_NAME_LENGTH = 100
MAX_IMAGE_LENGTH = 512

MAX_TRAINING_ID_LENGTH = 64

MAX_CONTAINERS = 1000
"""Containers of training data that are validated; a service accepts fewer, by its own limit."""

RESULTS_REQUIRED = "training_results: is missing: it is required if training_data names no container of an object store"


class Framework(RequestModel):
    """
    The framework and version that the code is written for. A service compares both in lower case, and exactly.

    With an ``image`` they are labels: the command runs in a container of that image.
    """

    name: str = Field(min_length=1, max_length=MAX_FRAMEWORK_NAME_LENGTH)
    version: str = Field(min_length=1)
    runtimes: OpaqueJson | None = None
    """Interpreters that a client of 2017 names beside the framework: stored and returned, without effect."""

    image: str | None = Field(default=None, min_length=1, max_length=MAX_IMAGE_LENGTH)
    """The container image that the command runs in, where the service's site allows it (an extension)."""

    @field_validator("name", "image")
    @classmethod
    def _require_printable(cls, value: str | None) -> str | None:
        if value is not None and (not value.isprintable() or not value.strip() or value != value.strip()):
            raise ValueError("must be printable, without a space at either end")
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Framework) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[str, str, str | None]:
        return (self.name, self.version, self.image)

    def __str__(self) -> str:
        return f"{self.name} {self.version}" + (f" ({self.image})" if self.image else "")


class ModelDefinition(RequestModel):
    """
    What to run, and on which framework.

    No server interprets ``description``: the client stores its idempotency key there, to find a training on servers
    that have no other means for that.
    """

    name: str = Field(min_length=1)
    description: str = ""
    author: Author = ""
    definition_location: str = Field(min_length=1)
    framework: Framework
    execution: Execution


class TrainingDefinition(RequestModel):
    """All that a service needs for a training."""

    model_definition: ModelDefinition
    training_data: tuple[TrainingData, ...]
    training_results: TrainingResults | None = None
    metric_definitions: tuple[MetricDefinition, ...] | None = None
    """How metrics are found in the log, instead of by the usual formats of scripts (an extension)."""
    watchdog: Watchdog | None = None
    """When a command that does no work counts as stalled, and what happens then (an extension)."""
    recovery: Recovery | None = None
    """When the service starts the command again, from its newest checkpoint (an extension)."""
    resume_from: str | None = Field(default=None, min_length=1, max_length=MAX_TRAINING_ID_LENGTH)
    """The id of a training with whose newest checkpoint this one begins (an extension)."""

    @field_validator("metric_definitions", mode="before")
    @classmethod
    def _require_max_metric_definitions(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) > MAX_METRIC_DEFINITIONS:
            raise ValueError(f"must be at most {MAX_METRIC_DEFINITIONS}")
        return value

    @field_validator("metric_definitions")
    @classmethod
    def _require_unique_metric_names(
        cls, value: tuple[MetricDefinition, ...] | None
    ) -> tuple[MetricDefinition, ...] | None:
        names = [one.name for one in value or ()]
        if len(set(names)) < len(names):
            raise ValueError("must name each metric once; alternatives belong into one expression: (?:a|b)")
        return value

    @field_validator("training_data", mode="before")
    @classmethod
    def _require_max_containers(cls, value: Any) -> Any:
        if isinstance(value, (list, tuple)) and len(value) > MAX_CONTAINERS:
            raise ValueError(f"must name at most {MAX_CONTAINERS:,} containers")  # before each is validated
        return value

    @classmethod
    def parse(cls, document: Any) -> TrainingDefinition:
        """
        Validate a document that was parsed from JSON.

        :raises InvalidDefinition: with a message for each invalid field, and without values (they may be secrets).
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidDefinition(validation_messages(error)) from None

    @property
    def data_containers(self) -> tuple[tuple[DataContainerRef, StoreConnection], ...]:
        """The containers of training data with their connections, without mounted folders."""
        return tuple(
            (one.source, one.connection)
            for one in self.training_data
            if isinstance(one.source, DataContainerRef) and one.connection is not None
        )

    @property
    def has_results_store(self) -> bool:
        """Whether it names a store for results: `results_store` exists."""
        return self.training_results is not None or bool(self.data_containers)

    @property
    def results_store(self) -> ResultsStore:
        """
        Where results are stored: the container of `training_results`, or else the first one of training data.

        :raises InvalidDefinition: it has neither; a service that has a store for this case sets it at submit.
        """
        if self.training_results is not None:
            return ResultsStore(connection=self.training_results.connection, target=self.training_results.container_ref)
        if not self.data_containers:
            raise InvalidDefinition([RESULTS_REQUIRED])
        source, connection = self.data_containers[0]
        return ResultsStore(connection=connection, target=ContainerRef(container=source.container, type=source.type))
