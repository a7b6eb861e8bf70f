"""
The training definition, exactly as the page has it; `metric_definitions` alone is ours.

It is the one document a person writes, so it is read strictly: an unknown key is refused by its name.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import Field, ValidationError, field_validator

from airflow_dlaas.contract.base import Author, OpaqueJson, RequestModel, validation_messages
from airflow_dlaas.contract.metric_definition import MAX_METRIC_DEFINITIONS, MetricDefinition
from airflow_dlaas.contract.stores import ResultsStore, TrainingData, TrainingResults
from airflow_dlaas.exceptions import InvalidDefinition


class ResourceType(str, Enum):
    """How many GPUs a training gets. (Later documentation gave `large` four; the page wins.)"""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    @property
    def gpus(self) -> int:
        """Number of GPU slots."""
        return {"small": 1, "medium": 2, "large": 3}[self.value]

    def __str__(self) -> str:
        return self.value


FRAMEWORKS = ("caffe", "torch", "tensorflow")
"""The page's frameworks. Which versions there are is each service's own answer."""

MAX_CONTAINERS = 1000
"""Containers of training data that are looked at at all; what a service takes is its own decision, and less."""


class Framework(RequestModel):
    """What the code is written for; both are compared in lower case, and never rounded to something near."""

    name: str
    version: str = Field(min_length=1)
    runtimes: OpaqueJson | None = None
    """Interpreters that a client of 2017 names beside the framework [client]: stored and echoed, without effect."""

    @field_validator("name")
    @classmethod
    def _require_known_name(cls, value: str) -> str:
        if value.lower() not in FRAMEWORKS:
            raise ValueError(f"must be one of {', '.join(FRAMEWORKS)}")
        return value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Framework) and (self.name, self.version) == (other.name, other.version)

    def __hash__(self) -> int:
        return hash((self.name, self.version))

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Execution(RequestModel):
    """The command, and what it is given."""

    command: str = Field(min_length=1)
    resource_type: ResourceType = Field(alias="resourceType")

    @field_validator("command")
    @classmethod
    def _require_command(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        if "\0" in value:
            raise ValueError("must not hold a NUL character: no shell takes one")
        return value

    @field_validator("resource_type", mode="before")
    @classmethod
    def _require_known_resource_type(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in [str(one) for one in ResourceType]:
            raise ValueError("must be small (1 GPU), medium (2 GPUs) or large (3 GPUs)")
        return value


class ModelDefinition(RequestModel):
    """
    What to run, and with what.

    ``description`` is interpreted by nobody: the client keeps its idempotency key there for servers that
    know no other way to find a run again.
    """

    name: str = Field(min_length=1)
    description: str = ""
    author: Author = ""
    definition_location: str = Field(min_length=1)
    framework: Framework
    execution: Execution


class TrainingDefinition(RequestModel):
    """Everything the service must know to train."""

    model_definition: ModelDefinition
    training_data: tuple[TrainingData, ...]
    training_results: TrainingResults | None = None
    metric_definitions: tuple[MetricDefinition, ...] | None = None
    """How metrics are found in the log, instead of by what scripts usually print (ours)."""

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
            raise ValueError(f"must name at most {MAX_CONTAINERS:,} containers")  # before each is looked at
        return value

    @field_validator("training_data")
    @classmethod
    def _require_training_data(cls, value: tuple[TrainingData, ...]) -> tuple[TrainingData, ...]:
        # No `min_length`: pydantic would then call a list with one wrong container empty, too.
        if not value:
            raise ValueError("must name at least one container")
        return value

    @classmethod
    def parse(cls, document: Any) -> TrainingDefinition:
        """
        Read what a person wrote, already parsed from JSON.

        :raises InvalidDefinition: naming every field that is wrong, and no value (it may be a secret).
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidDefinition(validation_messages(error)) from None

    @property
    def results_store(self) -> ResultsStore:
        """Where results go: the container that `training_results` names, else the first one of training data."""
        if self.training_results is not None:
            return ResultsStore(connection=self.training_results.connection, target=self.training_results.container_ref)
        first = self.training_data[0]
        return ResultsStore(connection=first.connection, target=first.source)
