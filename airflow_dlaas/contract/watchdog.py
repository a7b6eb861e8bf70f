"""The watchdog: what counts as a training that does no work, and what happens then (key `watchdog`)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pydantic import Field, field_validator, model_validator
from typing_extensions import Self

from airflow_dlaas.contract.base import RequestModel

DEFAULT_GPU_WINDOW = 600.0
"""Seconds over which the use of the GPUs is averaged, unless the definition has another number."""

MAX_WATCHDOG_SECONDS = 30 * 24 * 3600.0


class WatchdogAction(str, Enum):
    """What happens to a training that does no work."""

    WARN = "warn"
    CANCEL = "cancel"

    def __str__(self) -> str:
        return self.value


class Watchdog(RequestModel):
    """
    The limits below which a command counts as stalled. At least one of ``gpu_below`` and ``silent_for`` is given.

    With the action ``warn`` the training continues, and its status and its task's log have a warning. With ``cancel``
    its command is stopped, and it ends in state `error` with the code C203.
    """

    gpu_below: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    """Percent: the mean use of its GPUs over ``gpu_window`` is below this. It has no effect without a GPU."""
    gpu_window: float = Field(default=DEFAULT_GPU_WINDOW, gt=0, le=MAX_WATCHDOG_SECONDS, allow_inf_nan=False)
    """Seconds."""
    silent_for: float | None = Field(default=None, gt=0, le=MAX_WATCHDOG_SECONDS, allow_inf_nan=False)
    """Seconds for which the command has written nothing to its log."""
    action: WatchdogAction = WatchdogAction.WARN

    @field_validator("action", mode="before")
    @classmethod
    def _require_known_action(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in [str(one) for one in WatchdogAction]:
            raise ValueError("must be warn or cancel")
        return value

    @model_validator(mode="after")
    def _require_limit(self) -> Self:
        if self.gpu_below is None and self.silent_for is None:
            raise ValueError("must have gpu_below or silent_for")
        return self
