"""The command of a definition, its resources and its variables (key `model_definition.execution`)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel
from airflow_dlaas.contract.environment import Environment, Secrets
from airflow_dlaas.contract.hyperparameter_values import Hyperparameters
from airflow_dlaas.contract.resources import Resources

MAX_TIME_LIMIT = 366 * 24 * 3600.0
"""Seconds; a larger number is a typing error."""

MAX_NODES = 1024

DEFAULT_GRACE = 30.0
"""Seconds that a stopped command has to save its state, unless the definition has another number."""

MAX_GRACE = 24 * 3600.0
"""Seconds; a service has a lower limit of its own."""

_MISSING = object()
"""Stands for a size that the document does not have."""


class ResourceType(str, Enum):
    """The number of GPUs of a training. (Later documentation gave `large` four; this project follows that of 2017.)"""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"

    @property
    def gpus(self) -> int:
        """Number of GPU slots."""
        return {"small": 1, "medium": 2, "large": 3}[self.value]

    def __str__(self) -> str:
        return self.value


class Execution(RequestModel):
    """
    The command, and its resources: ``resourceType`` (a size of 2017) or ``resources`` (an extension), not both.

    All other keys are extensions.
    """

    command: str = Field(min_length=1)
    resources: Resources | None = None
    resource_type: ResourceType | None = Field(default=None, alias="resourceType")
    environment: Environment | None = None
    secrets: Secrets | None = None
    hyperparameters: Hyperparameters | None = None
    time_limit: float | None = Field(default=None, gt=0, le=MAX_TIME_LIMIT, allow_inf_nan=False)
    """Seconds that the command may take; then it is stopped, and the training fails."""
    nodes: int | None = Field(default=None, ge=1, le=MAX_NODES, strict=True)
    """Machines of a distributed training."""
    grace: float | None = Field(default=None, ge=0, le=MAX_GRACE, allow_inf_nan=False)
    """Seconds that the command has to save its state after SIGTERM, when it is stopped; then it is killed."""

    @model_validator(mode="before")
    @classmethod
    def _require_one_size(cls, value: Any) -> Any:
        """Mark the missing size, so that its field reports it, together with the errors of the other fields."""
        if type(value) is dict and all(
            value.get(key) is None for key in ("resourceType", "resource_type", "resources")
        ):
            return {**value, "resourceType": _MISSING}
        return value

    @field_validator("command")
    @classmethod
    def _require_command(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        if "\0" in value:
            raise ValueError("must not hold a NUL character: no shell accepts one")
        return value

    @field_validator("resource_type", mode="before")
    @classmethod
    def _require_known_resource_type(cls, value: Any) -> Any:
        if value is _MISSING:
            raise PydanticCustomError("missing", "Field required")
        if isinstance(value, str) and value not in [str(one) for one in ResourceType]:
            raise ValueError("must be small (1 GPU), medium (2 GPUs) or large (3 GPUs)")
        return value

    @field_validator("resource_type")
    @classmethod
    def _require_no_resources(cls, value: ResourceType | None, info: ValidationInfo) -> ResourceType | None:
        if value is not None and info.data.get("resources") is not None:
            raise ValueError("must not be given together with resources: give one of the two")
        return value

    @model_validator(mode="after")
    def _require_variables_once(self) -> Self:
        both = sorted({*(self.environment or ())} & {*(self.secrets or ())})
        if both:
            raise ValueError(f"environment and secrets must not both have {', '.join(both)}")
        return self

    @property
    def gpus(self) -> int:
        """The number of GPU slots that it needs."""
        if self.resources is not None:
            return self.resources.gpus
        return self.resource_type.gpus if self.resource_type is not None else 0

    @property
    def size_text(self) -> str:
        """Its size for people: ``small``, or ``2 GPUs, 16GiB memory``."""
        return str(self.resources if self.resources is not None else self.resource_type)
